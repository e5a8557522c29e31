"""The number of series of an agent is bounded for any number of models, projects and others."""

from driving import price

from agtop_exporter.ledger import LABELS_MAX, Ledger
from agtop_exporter.model import Batch, Cursor, SessionUpdate, TokenCounts, UsageEvent


def batch(number):
    event = UsageEvent(
        key=f"event-{number}",
        session_id=f"session-{number}",
        time=1.0,
        model=f"model-{number}",
        tokens=TokenCounts(input=1),
        requests=1,
        tools=((f"call-{number}", f"tool-{number}"),),
    )
    session = SessionUpdate(session_id=event.session_id, cwd=f"/home/project-{number}")
    session.account = f"account-{number}"
    return Batch("claude", f"/{number}", Cursor(), events=(event,), sessions=(session,))


def labels(ledger, family):
    return {series[2]: value for series, value in ledger.totals.items() if series[0] == family}


def test_values_above_the_limit_share_other(tmp_path):
    ledger = Ledger(tmp_path)
    for number in range(3 * LABELS_MAX):
        ledger.record(batch(number), price=price, project=lambda cwd: cwd.rpartition("/")[2])
    for family in ("requests", "project_tokens", "tool_calls", "account_tokens"):
        values = labels(ledger, family)
        assert len(values) == LABELS_MAX + 1
        assert values["other"] == 2 * LABELS_MAX
        assert sum(values.values()) == 3 * LABELS_MAX
    limits = ("models", "tools", "projects", "accounts")
    assert ledger.folded_labels() == dict.fromkeys(limits, 2 * LABELS_MAX)
    ledger.commit()
    ledger.close()

    again = Ledger(tmp_path, read_only=True)
    again.record(batch(999), price=price, project=lambda _cwd: "project-0")
    assert labels(again, "project_tokens")["project-0"] == 2  # it had a series, and keeps it
    assert labels(again, "requests")["other"] == 2 * LABELS_MAX + 1
    assert again.folded_labels() == dict.fromkeys(limits, 1)
    again.close()
