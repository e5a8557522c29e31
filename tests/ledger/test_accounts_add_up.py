"""The totals of the accounts, and those of the users, add up to the totals of the agent."""

import pytest
from driving import project
from events import batch, response, sightings
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.ledger import ACCOUNTS_MAX, Ledger, counting
from agtop_exporter.ledger.records import merge_facts
from agtop_exporter.model import Batch, Cost, Cursor, RateLimit, SessionUpdate, Users

USERS = Users({"/ada": "ada", "/ben": "ben"})
PLACES = st.sampled_from(["/ada", "/ben", "/elsewhere"])
ACCOUNTS = st.sampled_from(["", "claude-work", "claude-home"])


def sums(ledger, *families):
    return sum(value for series, value in ledger.totals.items() if series[0] in families)


def assert_equal_sums(ledger):
    assert sums(ledger, "account_tokens") == sums(ledger, "tokens")
    assert sums(ledger, "account_cost") == sums(ledger, "cost")


def of_account(ledger, account):
    return ledger.totals.get(("account_tokens", "claude", account))


@pytest.mark.slow
@given(
    steps=st.lists(
        st.tuples(st.lists(sightings), ACCOUNTS, st.none() | st.integers(0, 9), st.booleans())
    )
)
def test_any_history(steps):
    """Events move between sessions, accounts and models, and get a price later."""
    ledger, before = Ledger(), {}
    for events, account, rate, reprices in steps:
        cost = None if rate is None else Cost(input=7 * rate, output=rate)
        recorded = batch(*events).of_account(account)
        ledger.record(recorded, price=lambda _event, cost=cost: cost, project=project)
        if reprices:
            ledger.reprice(lambda _event, cost=cost: cost)
        assert_equal_sums(ledger)
        assert not {key for key, value in before.items() if ledger.totals[key] < value}
        before = dict(ledger.totals)


@pytest.mark.slow
@given(
    steps=st.lists(st.tuples(st.lists(sightings), PLACES, st.integers(0, 9), st.booleans())),
    late=st.booleans(),
)
def test_any_history_of_users(steps, late):
    """Sessions move between the homes of users. The users may become known at the end."""
    ledger, before = Ledger(), {}
    for events, place, rate, by_user in steps:
        ids = {event.session_id for event in events}
        sessions = tuple(SessionUpdate(id_, data_path=f"{place}/{id_}") for id_ in ids)
        if by_user:
            ledger.count_by_user(Users() if late else USERS)
        ledger.record(
            batch(*events, sessions=sessions),
            price=lambda _event, rate=rate: Cost(input=rate),
            project=project,
        )
        assert not {key for key, value in before.items() if ledger.stored_totals[key] < value}
        before = dict(ledger.stored_totals)
    ledger.count_by_user(USERS)
    assert sums(ledger, "user_tokens") == sums(ledger, "tokens")
    assert sums(ledger, "user_cost") == sums(ledger, "cost")


@given(
    amount=st.integers(0, 50), changes=st.dictionaries(st.text(), st.integers(-9, 9), min_size=1)
)
def test_shares_add_up(amount, changes):
    found = counting.shares(amount, changes)
    assert sum(found.values()) == amount
    assert min(found.values()) >= 0


def test_each_account_has_its_own_usage(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.record(
        batch(response("a", "s1", input=10, output=0)), price=lambda _event: None, project=project
    )
    work = batch(response("b", "s2", input=100, output=0), path="/w.jsonl").of_account("work")
    ledger.record(work, price=lambda _event: Cost(input=5), project=project)
    ledger.commit()
    ledger.close()
    again = Ledger(tmp_path, read_only=True)
    assert (of_account(again, ""), of_account(again, "work")) == (10, 100)
    assert again.totals["account_cost", "claude", "work"] == 5
    assert again.sessions["claude", "s2"].facts.account == "work"
    again.close()


def copies(first, second):
    """Return the account of a session that is in the directories of two accounts."""
    one, other = (
        SessionUpdate("s", last_active=time, account=name) for name, time in (first, second)
    )
    (merged,) = {merge_facts(one, other).account, merge_facts(other, one).account}
    return merged


def test_a_session_in_two_accounts_is_in_one():
    """A copied directory changes nothing; a session that went on elsewhere belongs there."""
    assert copies(("", 100.0), ("claude-work", 100.0)) == ""
    assert copies(("", 100.0), ("claude-work", 200.0)) == "claude-work"
    assert copies(("", 200.0), ("claude-work", 100.0)) == ""
    assert copies(("", 100.0), ("claude-work", None)) == ""


def limits(*records):
    ledger = Ledger()
    for account, window, used, observed_at in records:
        limit = RateLimit("claude", window, used, observed_at, account=account)
        found = Batch("claude", "/x", Cursor(), rate_limits=(limit,))
        ledger.record(found, price=lambda _event: None, project=str)
    return ledger.rate_limits


def test_the_same_window_of_two_accounts():
    found = limits(("", "5h", 0.1, 100.0), ("work", "5h", 0.9, 50.0), ("", "5h", 0.2, 90.0))
    assert {key: limit.used_ratio for key, limit in found.items()} == {
        ("claude", "", "5h"): 0.1,
        ("claude", "work", "5h"): 0.9,
    }


def test_limits_of_many_accounts_are_bounded():
    many = [(f"a{n}", window, 0.1, 100.0 + n) for n in range(50) for window in ("5h", "weekly")]
    accounts = {account for _, account, _ in limits(*many)}
    assert accounts == {f"a{n}" for n in range(50 - ACCOUNTS_MAX, 50)}


def test_limits_of_accounts_survive_a_restart(tmp_path):
    ledger = Ledger(tmp_path)
    for account, used in (("", 0.1), ("work", 0.9)):
        ledger.add_limit(RateLimit("claude", "5h", used, 100.0, account=account))
    ledger.commit()
    ledger.close()
    again = Ledger(tmp_path)
    assert {key[1]: limit.used_ratio for key, limit in again.rate_limits.items()} == {
        "": 0.1,
        "work": 0.9,
    }
    again.close()
