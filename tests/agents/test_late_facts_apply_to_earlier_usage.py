"""A model or a working directory that appears after the first usage applies to that usage too."""

import pytest
from late_facts import DIRECTORY, MODEL, WRITERS
from looking import EVERY_AGENT, Look

from agtop_exporter.render.table import render
from agtop_exporter.render.table.columns import View
from agtop_exporter.render.table.layout import Terminal

PROJECT = DIRECTORY.rpartition("/")[2]
NOW = 1_772_445_660.0  # a minute after the usage
each_agent = pytest.mark.parametrize("agent", EVERY_AGENT, ids=lambda agent: agent.name)
each_way = pytest.mark.parametrize("stages", [(True,), (False, True)], ids=["at once", "later"])


def looked_at(home, agent, stages):
    """Return the view of a home, and its only session, after a refresh of each stage."""
    look = Look(home, agents=[agent])
    for late in stages:
        WRITERS[agent.name](home, late=late)
        (session,) = look.document(NOW)["sessions"]
    return look, session


@pytest.mark.slow
@each_agent
@each_way
def test_all_usage_has_the_project(tmp_path, agent, stages):
    look, session = looked_at(tmp_path, agent, stages)
    assert (session["project"], session["cwd"]) == (PROJECT, DIRECTORY)
    assert session["tokens"]["total"] == 110
    info = [series for series in look.samples(NOW) if series[0] == "agtop_session_info"]
    assert [series[-1] for series in info] == [PROJECT]
    table = render(look.at(NOW), view=View("", NOW, None), terminal=Terminal())
    assert DIRECTORY in table


@pytest.mark.slow
@each_agent
def test_usage_without_project_counts(tmp_path, agent):
    _, session = looked_at(tmp_path, agent, [False])
    assert session["cwd"] != DIRECTORY
    assert session["tokens"]["total"] in (64, 110)  # in Antigravity, the rest comes with the model


@pytest.mark.slow
@each_agent
@each_way
def test_all_usage_has_the_model(tmp_path, agent, stages):
    _, session = looked_at(tmp_path, agent, stages)
    assert list(session["models"]) == [MODEL]
