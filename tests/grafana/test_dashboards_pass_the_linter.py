"""The dashboards follow the rules of Grafana's dashboard-linter, and some additional rules.

The linter is <https://github.com/grafana/dashboard-linter>. These are its rules of 2026, with the
exceptions that are allowed here and their reasons. Rules for Loki do not apply.
"""

import re
import subprocess

import pytest
import yaml
from generator.boards import BOARDS, panels_with_queries
from generator.variables import HISTOGRAM_SUFFIXES, family_of
from programs import find_program
from promql import selectors, substituted
from rule_files import records

from agtop_exporter.metrics import CATALOGUE

PROMETHEUS_OWN = {"up", "scrape_samples_scraped", "scrape_duration_seconds"}
RECORDS = set(records())
PROCESS_OWN = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
SHOWS_TOTALS = "a table of live sessions shows what each used in all, not in the time shown"
OF_THE_MONTH = "the growth since the start of the month, also over hours in which a machine is off"
ALL_TIME = "its title says that it includes the history"
EXCEPTIONS = {
    ("target-counter-agg-rule", "Cost, all time", "agtop_cost_usd_total"): ALL_TIME,
    ("target-counter-agg-rule", "Cost of this month", "agtop_cost_usd_total"): OF_THE_MONTH,
    ("target-counter-agg-rule", "Projected for this month", "agtop_cost_usd_total"): (
        "only the times of its samples are used"
    ),
    ("target-counter-agg-rule", "Projects", "agtop_project_cost_usd_total"): ALL_TIME,
    ("target-counter-agg-rule", "Sessions", "agtop_session_tokens_total"): SHOWS_TOTALS,
    ("target-counter-agg-rule", "Sessions", "agtop_session_cost_usd_total"): SHOWS_TOTALS,
    ("target-counter-agg-rule", "Sessions", "agtop_session_turns_total"): SHOWS_TOTALS,
    ("target-counter-agg-rule", "Sessions", "agtop_session_tool_calls_total"): SHOWS_TOTALS,
}
UNITS = {"short", "none", "percentunit", "currencyUSD", "bytes", "Bps", "s", "bool_yes_no"}

boards = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["uid"])
panels = pytest.mark.parametrize(
    ("board", "panel"),
    [(board, panel) for board in BOARDS for panel in panels_with_queries(board)],
    ids=lambda item: item.get("uid") or item["title"],
)


def variable(board, name):
    (found,) = [item for item in board["templating"]["list"] if item["name"] == name]
    return found


def targets_selectors(panel):
    return [one for target in panel["targets"] for one in selectors(target["expr"])]


@boards
def test_template_datasource_rule(board):
    source = variable(board, "datasource")
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert source["label"] == "Data source"
    assert [v["type"] for v in board["templating"]["list"]].count("datasource") == 1


@boards
@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_job_rule_and_template_instance_rule(board, name):
    found = variable(board, name)
    assert (found["label"], found["type"]) == (name.capitalize(), "query")
    assert found["datasource"]["uid"] == "$datasource"
    assert found["multi"]
    assert found["allValue"] == ".+"


@boards
def test_template_label_promql_rule(board):
    for item in board["templating"]["list"]:
        if item["type"] == "query":
            assert re.fullmatch(r"label_values\([a-z_]+(\{[^{}]+\})?, [a-z_]+\)", item["query"])


@boards
def test_template_on_time_change_reload_rule(board):
    assert all(v["refresh"] == 2 for v in board["templating"]["list"] if v["type"] == "query")


@panels
def test_panel_datasource_rule(board, panel):  # noqa: ARG001 - it names the case
    sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(s == {"type": "prometheus", "uid": "$datasource"} for s in sources)


@panels
def test_panel_title_description_rule(board, panel):  # noqa: ARG001
    assert panel["title"]
    assert re.fullmatch(r"[A-Z\[a-z].+\.", panel["description"])


@panels
def test_panel_units_rule(board, panel):  # noqa: ARG001
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS


@boards
def test_panel_no_targets_rule(board):
    assert all(panel.get("targets") for panel in board["panels"] if panel["type"] != "row")


@panels
def test_target_rate_interval_rule(board, panel):  # noqa: ARG001
    for one in targets_selectors(panel):
        if one.function in {"rate", "irate"}:
            assert one.range == "$__rate_interval"
        elif one.range:
            assert one.function in {"increase", "min_over_time", "last_over_time"}
            assert one.range in {"$__range", "$__range:5m", "1d"}


@panels
def test_target_job_rule_and_target_instance_rule(board, panel):  # noqa: ARG001
    for one in targets_selectors(panel):
        wanted = {'job=~"$job"', 'instance=~"$instance"'}
        if one.name in RECORDS and not one.name.startswith("instance_"):
            wanted = {'job=~"$job"'}  # a sum over all machines
        assert wanted <= set(one.matchers)


@panels
def test_target_counter_agg_rule(board, panel):  # noqa: ARG001
    for one in targets_selectors(panel):
        excused = ("target-counter-agg-rule", panel["title"], one.name) in EXCEPTIONS
        if one.name.endswith(("_total", *HISTOGRAM_SUFFIXES)) and not excused:
            assert one.function in {"rate", "irate", "increase"}


def test_no_exception_is_left_over():
    used = {
        ("target-counter-agg-rule", panel["title"], one.name)
        for board in BOARDS
        for panel in panels_with_queries(board)
        for one in targets_selectors(panel)
        if one.name.endswith("_total") and one.function not in {"rate", "irate", "increase"}
    }
    assert used == set(EXCEPTIONS)


@boards
def test_uneditable_dashboard(board):
    assert board["editable"] is False


@pytest.mark.slow
@pytest.mark.integration
def test_target_promql_rule(tmp_path):
    """Prometheus parses every expression, as part of a rule."""
    values = dict.fromkeys(("job", "instance", "agent", "model", "project", "session"), ".+")
    rules = [
        {"record": f"board:{number}", "expr": substituted(expression, values)}
        for number, expression in enumerate(
            target["expr"]
            for board in BOARDS
            for panel in panels_with_queries(board)
            for target in panel["targets"]
        )
    ]
    assert not any("$__" in rule["expr"] for rule in rules)
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": rules}]}))
    command = [find_program("promtool"), "check", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@panels
def test_a_panel_asks_only_for_what_there_is(board, panel):  # noqa: ARG001
    known = {metric.name for metric in CATALOGUE} | PROMETHEUS_OWN | PROCESS_OWN | RECORDS
    asked = targets_selectors(panel)
    assert asked
    assert {family_of(one.name) for one in asked} <= known


def test_every_metric_is_shown_somewhere():
    shown = {
        family_of(one.name)
        for board in BOARDS
        for panel in panels_with_queries(board)
        for one in targets_selectors(panel)
    }
    assert {metric.name for metric in CATALOGUE} <= shown


def test_ratios_of_several_series_are_never_added():
    """Two sources may report one window. Their sum would exceed 1."""
    labels = {metric.name: set(metric.labels) for metric in CATALOGUE}
    sums = [
        (name, kept.split(", "))
        for board in BOARDS
        for panel in panels_with_queries(board)
        for target in panel["targets"]
        for kept, name in re.findall(r"sum by \(([^)]*)\) \((agtop_\w+_ratio)\{", target["expr"])
    ]
    assert sums
    assert all(labels[name] <= set(kept) for name, kept in sums)


@panels
def test_a_panel_without_data_has_a_message(board, panel):  # noqa: ARG001
    assert panel["fieldConfig"]["defaults"]["noValue"]


@boards
def test_panels_have_places_of_their_own(board):
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells
        assert max(x for x, _ in cells) < 24
        taken |= cells
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


def test_links_lead_to_dashboards_that_exist():
    uids = {board["uid"] for board in BOARDS}
    text = repr(BOARDS)
    assert set(re.findall(r"/d/([\w-]+)", text)) <= uids
    assert all(re.fullmatch(r"agtop-[a-z]{3,34}", uid) for uid in uids)
