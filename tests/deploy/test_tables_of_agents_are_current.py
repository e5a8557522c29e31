"""The tables of agents equal their generator, which takes them from the declarations."""

import os
import runpy

import pytest
from places import ROOT

from agtop_exporter.agents import load_agents
from agtop_exporter.doctor.not_read import unread_agents

FOLDER = ROOT / "deploy" / "agents"
AGENTS = load_agents()


@pytest.fixture(scope="module")
def generate():
    return runpy.run_path(str(FOLDER / "generate.py"))


def test_the_committed_page_is_the_generated_one(generate, golden):
    golden(FOLDER / "README.md", generate["page"](AGENTS, unread_agents()))


def test_the_table_in_the_readme_is_the_generated_one(generate, golden):
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    golden(readme, generate["in_project"](text, generate["overview"](AGENTS)))


def test_a_readme_without_a_place_for_the_table_is_an_error(generate):
    with pytest.raises(ValueError, match="lacks the lines"):
        generate["in_project"]("# agtop-exporter\n", "| agent |\n")


def test_every_cell_has_text(generate):
    """An agent that declares nothing would have an empty row."""
    rows = generate["overview"](AGENTS).splitlines()[2:]
    assert len(rows) == len(AGENTS)
    for row in rows:
        cells = row.strip("|").split("|")
        assert len(cells) == 5, row
        assert all(cell.strip() for cell in cells), row


def test_the_links_of_the_page_lead_to_files():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    links = [part.split(")")[0] for part in text.split("](")[1:]]
    assert len(links) == len(AGENTS)
    for link in links:
        assert os.path.lexists(FOLDER / link), link
