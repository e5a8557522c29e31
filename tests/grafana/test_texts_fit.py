"""No title, header or message of a panel is cut off at 1600 pixels, and no two legends are equal.

The widths are those of Grafana's own libraries: 24 columns, Inter at 14 pixels (about 8 a letter).
"""

import re

import pytest
from generator.boards import BOARDS, panels_with_queries
from generator.panels import COLUMNS

SCREEN = 1600 - 32  # pixels between the margins
LETTER, PADDING = 8, 24
LEAST = 120  # of a column that shares the rest of a table: the name of a model
LONGEST_OF_BARS = 40  # letters; a phone shows this many beside an empty bar
TITLES = [(board["uid"], panel) for board in BOARDS for panel in panels_with_queries(board)]

panels = pytest.mark.parametrize(
    ("uid", "panel"), TITLES, ids=lambda item: item if isinstance(item, str) else item["title"]
)


def of_kind(kind):
    chosen = [(uid, panel) for uid, panel in TITLES if panel["type"] == kind]
    return pytest.mark.parametrize(
        ("uid", "panel"), chosen, ids=lambda item: item if isinstance(item, str) else item["title"]
    )


def pixels(panel):
    return panel["gridPos"]["w"] * SCREEN // COLUMNS - 8


def width_of(text):
    return LETTER * len(text)


@panels
def test_a_title_fits(uid, panel):
    range_of_its_own = panel.get("timeFrom", "")  # Grafana shows it beside the title
    assert width_of(panel["title"] + range_of_its_own) + PADDING <= pixels(panel), uid


@of_kind("stat")
def test_a_message_of_a_stat_is_one_line(uid, panel):
    """Grafana breaks a text at spaces, and cuts off the second line."""
    assert " " not in panel["fieldConfig"]["defaults"]["noValue"], uid


@of_kind("bargauge")
def test_a_message_fits_beside_an_empty_bar(uid, panel):
    assert len(panel["fieldConfig"]["defaults"]["noValue"]) <= LONGEST_OF_BARS, uid


@of_kind("table")
def test_headers_and_columns_fit(uid, panel):
    columns = panel["transformations"][1]["options"]
    titles = [columns["renameByName"][name] for name in columns["indexByName"]]
    widths = {
        override["matcher"]["options"]: item["value"]
        for override in panel["fieldConfig"]["overrides"]
        for item in override["properties"]
        if item["id"] == "custom.width"
    }
    assert all(width_of(title) + PADDING <= widths.get(title, LEAST) for title in titles), uid
    assert sum(widths.get(title, LEAST) for title in titles) <= pixels(panel), uid


@of_kind("table")
def test_a_cell_without_a_value_has_no_color(uid, panel):
    """A threshold would color it: red for what is only unknown."""
    for override in panel["fieldConfig"]["overrides"]:
        given = {item["id"]: item["value"] for item in override["properties"]}
        if "thresholds" in given:
            matches = [one["options"]["match"] for one in given["mappings"]]
            assert matches == ["null"], (uid, override["matcher"])


@panels
def test_a_range_of_its_own_is_one_that_grafana_knows(uid, panel):
    assert re.fullmatch(r"now/[dM]|\d+d|", panel.get("timeFrom", "")), uid


@panels
def test_a_legend_has_what_distinguishes_its_series(uid, panel):
    """Otherwise two machines have lines of the same name."""
    if panel["type"] not in {"timeseries", "bargauge"}:
        return
    for target in panel["targets"]:
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        groups = re.search(r"\bby \(([^)]*)\)", target["expr"])
        split = set(groups[1].split(", ")) - {"job"} if groups else set()
        assert split <= named or "session" in named, (uid, target["legendFormat"])


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
def test_a_row_of_small_panels_is_full(board):
    """A gap beside the stats of a row looks like a panel that failed."""
    used = {}
    for panel in board["panels"]:
        if panel["type"] == "stat":
            used.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"])
    for y, places in used.items():
        beside = [p["gridPos"]["w"] for p in board["panels"] if p["gridPos"]["y"] == y]
        assert sum(beside) == COLUMNS, (board["uid"], places)
