"""Every option, setting and JSON key that deploy/migration.md names exists here."""

import json
import re

from places import ROOT
from snapshots import make_session, make_snapshot

from agtop_exporter.cli.command import HELP, VERSION
from agtop_exporter.cli.commands import AGTOP, REPLACED
from agtop_exporter.render import json as json_page
from agtop_exporter.settings import Settings

TEXT = (ROOT / "deploy" / "migration.md").read_text()


def rows(title):
    """Return the pairs of names in the two columns of a table."""
    section = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]
    cells = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")]
    return [[re.findall(r"`([^`]+)`", cell) for cell in row] for row in cells[1:]]


def paths(value, prefix=""):
    """Return the dotted paths of all keys of an object."""
    if not isinstance(value, dict):
        return set()
    names = {f"{prefix}{key}" for key in value}
    return names.union(*(paths(item, f"{prefix}{key}.") for key, item in value.items()))


def test_every_json_key_exists():
    document = json.loads(json_page.render(make_snapshot(make_session())))
    (session,) = document["sessions"]
    known = paths(document) | paths(session)
    values = {"retail", "max", "included", "gemini", "gemini-cli", "input", "output", "low"}
    table = rows("JSON")
    assert len(table) > 25
    for before, here in table:
        same = [] if here else before  # "the same"
        for name in (*same, *here):
            assert name.removesuffix("[]") in known | values, name


def test_every_option_is_accepted_or_replaced():
    options = (HELP, VERSION, *AGTOP.default.all_options())
    accepted = {name for option in options for name in option.names}
    named = {name.split()[0] for row in rows("Options") for name in row[0]} - {"agtop"}
    assert named == (named & accepted) | set(REPLACED)
    assert {"--list", "--client", "--no-cache", "-V"} <= named & accepted


def test_every_setting_exists():
    settings = {f"AGTOP_{name.upper()}" for name in Settings.model_fields}
    named = re.findall(r"AGTOP_[A-Z_]+", "".join(str(here) for _, here in rows("Settings")))
    assert {"AGTOP_NO_STATE", "AGTOP_LOG_LEVEL"} <= set(named)
    assert set(named) - {"AGTOP_"} <= settings  # `AGTOP_*` stands for all
