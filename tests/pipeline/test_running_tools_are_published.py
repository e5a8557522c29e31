"""A session names its running tool only while it runs or waits."""

import pytest
from looking import EVENING, Look

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Batch, Cursor, SessionUpdate, Signal


def published(home, signal, *, age):
    """Return the state and the running tool of a session, as `agtop json` shows them.

    The session is read from the ledger, as after a restart.
    """
    ledger = Ledger(home)
    update = SessionUpdate("s-1", started_at=EVENING - age, last_active=EVENING - age)
    update.signal = signal
    batch = Batch("claude", "/a.jsonl", Cursor(size=1), sessions=(update,))
    ledger.record(batch, price=lambda _event: None, project=lambda _cwd: "")
    ledger.commit()
    ledger.close()
    ledger = Ledger(home)
    (session,) = Look(home, ledger=ledger).document()["sessions"]
    ledger.close()
    return session["state"]["kind"], session["running_tool"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "age", "expected"),
    [
        ("running", 5, ("running", "Bash")),
        ("waiting", 5, ("waiting", "Bash")),
        ("idle", 5, ("idle", None)),
        ("error", 5, ("error", None)),
        ("running", 86_400, ("closed", None)),
    ],
)
def test_only_at_work(tmp_path, kind, age, expected):
    signal = Signal(kind, "permission" if kind == "waiting" else "").with_tool("Bash")
    assert published(tmp_path, signal, age=age) == expected


@pytest.mark.slow
def test_no_tool_is_null(tmp_path):
    assert published(tmp_path, Signal("running"), age=5) == ("running", None)
