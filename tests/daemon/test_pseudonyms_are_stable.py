"""With --redact-projects, a project has the same pseudonym everywhere and after a restart."""

import re

import msgspec
import pytest
from overviews import make_overview
from running import daemon, run, samples_of, total
from small_homes import claude_file, claude_turns
from snapshots import make_session, make_snapshot

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import BudgetUse
from agtop_exporter.redaction import Redaction

PSEUDONYM = re.compile(r"project-[0-9a-f]{10}")
BUDGET = BudgetUse("claude shop day", "day", "claude", "shop", 1.0, 0.5, 0.5, 0.5, 0.0, 1.0)


def test_nothing_of_a_snapshot_names_a_project():
    totals = {("project_tokens", "claude", "shop"): 5, ("project_tokens", "claude", "other"): 7,
              ("tokens", "claude", "shop", "input"): 3}  # fmt: skip
    session = make_session(project="shop", git_branch="shop-42", title="Sell", cwd="/shop")
    snapshot = msgspec.structs.replace(
        make_snapshot(session, totals=totals), budgets=(BUDGET,), returned={("a", "b"): session}
    )
    names = Redaction(Ledger(), enabled=True)
    redacted = names.snapshot(snapshot)
    kept = [series for series in redacted.totals if series[-1] != "other"]
    (series, model) = kept
    assert PSEUDONYM.fullmatch(series[-1])
    assert model == ("tokens", "claude", "shop", "input")  # a model
    assert sum(redacted.totals.values()) == sum(totals.values())
    for one in (*redacted.sessions, *redacted.published, *redacted.returned.values()):
        assert (one.project, one.git_branch, one.title, one.cwd) == (series[-1], None, None, None)
    (budget,) = redacted.budgets
    assert (budget.project, budget.name) == (series[-1], f"claude {series[-1]} day")
    assert names.snapshot(snapshot) == redacted
    assert Redaction(Ledger(), enabled=True).snapshot(snapshot).totals != redacted.totals
    assert Redaction(Ledger(), enabled=False).snapshot(snapshot) is snapshot


def test_the_overview_has_the_same_pseudonyms():
    names = Redaction(Ledger(), enabled=True)
    overview = names.overview(make_overview())
    (session,) = overview.sessions
    assert {one.name for one in overview.usage["project"]} == {session.project}
    assert PSEUDONYM.fullmatch(session.project)
    assert {one.name for one in overview.usage["model"]} == {"shop"}  # of the helper


@pytest.mark.long
@pytest.mark.integration
def test_a_restart_keeps_the_pseudonym_and_the_counters(tmp_path):
    home, state = tmp_path / "home", tmp_path / "state"
    home.mkdir()
    claude_file(home).write_text(claude_turns(1, range(3)))
    flags = ("--state-dir", state, "--redact-projects", "--session-linger", "1e9")
    seen = []
    for turns in (3, 5):
        claude_file(home).write_text(claude_turns(1, range(turns)))
        with daemon(home, *flags) as running:
            samples = running.until(lambda now: total(now, "agtop_project_tokens_total"))
            seen.append({key: value for key, value in samples.items() if "project" in key[0]})
            running.end()
    assert set(seen[0]) == set(seen[1])
    assert all(seen[1][key] >= value for key, value in seen[0].items())
    done = run("agtop-exporter", "--once", "--no-pricing-refresh", *flags, home=home)
    assert {key for key in samples_of(done.stdout) if "project" in key[0]} == set(seen[0])
    assert all(PSEUDONYM.search(str(key)) for key in seen[0])
