"""Metrics, JSON and table name the user only if the homes of several users are read."""

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from looking import EVENING, Look
from small_homes import BEGIN, TOKENS_OF_A_TURN, claude_file, claude_turns, session_id

from agtop_exporter import platforms
from agtop_exporter.agents import claude
from agtop_exporter.cli.wiring import owners_of
from agtop_exporter.ledger import Ledger
from agtop_exporter.model import USERS_MAX, Users, users_of_homes
from agtop_exporter.render import table
from agtop_exporter.render.table.columns import View
from agtop_exporter.render.table.layout import Terminal

NAMES = st.sampled_from(["", "ada", "ben"])


@pytest.fixture
def homes(tmp_path):
    """Return the homes of two users with 1 and 2 turns."""
    for number, name in enumerate(("ada", "ben"), start=1):
        claude_file(tmp_path / name, number).write_text(claude_turns(number, range(number)))
    return tmp_path / "ada", tmp_path / "ben"


def users(homes):
    return users_of_homes({str(home): home.name for home in homes})


def look(homes, **more):
    return Look(*homes, agents=[claude.AGENT], **more)


def by_user(samples, name="agtop_user_tokens_total"):
    return {labels[-1]: value for (metric, *labels), value in samples.items() if metric == name}


def by_user_in(homes, state, **more):
    """Refresh with the ledger in `state`. Return the tokens by user."""
    looking = look(homes, state=state, **more)
    samples = looking.samples(EVENING)
    looking.close()
    return by_user(samples)


def total(samples):
    return sum(value for (name, *_), value in samples.items() if name == "agtop_tokens_total")


def test_usage_is_counted_by_user(homes):
    samples = look(homes, users=users(homes)).samples(EVENING)
    assert by_user(samples) == {"ada": TOKENS_OF_A_TURN, "ben": 2 * TOKENS_OF_A_TURN}
    costs = by_user(samples, "agtop_user_cost_usd_total")
    assert sum(costs.values()) == pytest.approx(
        sum(value for (name, *_), value in samples.items() if name == "agtop_cost_usd_total")
    )


def test_sessions_have_users(homes):
    looking = look(homes, users=users(homes))
    found = {id_: session["user"] for id_, session in looking.sessions(EVENING).items()}
    assert found == {session_id(1): "ada", session_id(2): "ben"}
    page = table.render(
        looking.at(EVENING), view=View("", EVENING, UTC), terminal=Terminal(height=None)
    )
    assert page.splitlines()[0].split()[:2] == ["AGENT", "USER"]
    assert {line.split()[1] for line in page.splitlines()[2:4]} == {"ada", "ben"}


def test_open_sessions_have_a_series_with_the_user(homes):
    samples = look(homes, users=users(homes)).samples(BEGIN + 60)
    assert by_user(samples, "agtop_session_user_info") == {"ada": 1, "ben": 1}


def test_one_user_has_no_label(homes):
    looking = look(homes, users=users_of_homes(dict.fromkeys(map(str, homes), "ada")))
    assert not [labels for labels in looking.samples(EVENING) if "user" in labels[0]]
    assert {session["user"] for session in looking.sessions(EVENING).values()} == {None}


@pytest.mark.slow
def test_earlier_usage_belongs_to_its_user(homes, tmp_path):
    """The second home was added later, or the ledger is older than the counters of users."""
    assert by_user_in(homes, tmp_path / "state") == {}
    after = by_user_in(homes, tmp_path / "state", users=users(homes))
    assert after == {"ada": TOKENS_OF_A_TURN, "ben": 2 * TOKENS_OF_A_TURN}


@pytest.mark.slow
def test_counters_of_users_survive_a_time_with_one_user(homes, tmp_path):
    state = tmp_path / "state"
    first = by_user_in(homes, state, users=users(homes))
    assert by_user_in(homes, state) == {}
    claude_file(homes[0], 1).write_text(claude_turns(1, range(3)))
    assert by_user_in(homes, state) == {}
    last = by_user_in(homes, state, users=users(homes))
    assert last == {"ada": 3 * TOKENS_OF_A_TURN, "ben": first["ben"]}


@pytest.mark.slow
def test_deleted_transcripts_keep_their_user(homes, tmp_path):
    before = by_user_in(homes, tmp_path / "state", users=users(homes))
    claude_file(homes[1], 2).unlink()
    assert by_user_in(homes, tmp_path / "state", users=users(homes)) == before


@pytest.mark.slow
def test_files_outside_the_homes_have_no_user(homes, tmp_path):
    claude_file(tmp_path / "shared", 3).write_text(claude_turns(3, range(3)))
    variables = {
        "CLAUDE_CONFIG_DIR": ",".join(str(tmp_path / n / ".claude") for n in ("shared", "ada"))
    }
    samples = look(homes, users=users(homes), environment=variables).samples(EVENING)
    assert by_user(samples) == {"ada": TOKENS_OF_A_TURN, "": 3 * TOKENS_OF_A_TURN}


@pytest.mark.slow
@given(owners=st.dictionaries(st.text("ab/", min_size=1), NAMES), path=st.text("ab/"))
def test_the_innermost_home_counts(owners, path):
    found = Users(owners).owner_of(path)
    holding = {
        home: name for home, name in owners.items() if path.startswith(f"{home.rstrip('/')}/")
    }
    assert found == (holding[max(holding, key=len)] if holding else "")


def test_the_number_of_users_is_limited():
    homes = {f"/home/u{number}": f"u{number}" for number in range(USERS_MAX + 9)}
    names = set(users_of_homes(homes).homes.values())
    assert len(names) == USERS_MAX + 1
    assert "other" in names


def test_owners_are_those_of_the_directories(homes, monkeypatch):
    ids = {homes[0]: 1, homes[1]: 2}
    monkeypatch.setattr(platforms, "owners", lambda given: frozenset(ids[home] for home in given))
    monkeypatch.setattr(platforms, "user_name", {1: "ada", 2: "ben@example.org"}.get)
    assert owners_of(homes).homes[str(homes[0])] == "ada"
    assert owners_of(homes).homes[str(homes[1])].startswith("user-")
    assert not owners_of(homes[:1])


@pytest.mark.slow
def test_read_only_commands_also_name_users(homes, tmp_path):
    looking = look(homes, state=tmp_path / "state", users=users(homes))
    looking.at(EVENING)
    looking.close()
    ledger = Ledger(tmp_path / "state", read_only=True)
    again = look(homes, ledger=ledger, users=users(homes))
    assert total(again.samples(EVENING)) == sum(by_user(again.samples(EVENING)).values())
    again.close()
