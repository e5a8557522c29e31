"""A recorded rate limit is not published after its window has been reset."""

import msgspec
import pytest
from snapshots import make_snapshot

from agtop_exporter.ledger import WINDOWS_MAX, Ledger
from agtop_exporter.metrics import collect
from agtop_exporter.model import Batch, Cursor, RateLimit
from agtop_exporter.render import json

LIMIT = RateLimit("codex", "5h", 0.5, observed_at=0.0)


@pytest.mark.parametrize(
    ("observed_before", "resets_after", "published"),
    [(10, 10, True), (10, None, True), (10, 0, False), (10, -5, False), (90_000, 10, False)],
)
def test_only_what_still_holds(observed_before, resets_after, published):
    snapshot = make_snapshot()
    now = snapshot.generated_at
    limit = msgspec.structs.replace(
        LIMIT,
        observed_at=now - observed_before,
        resets_at=None if resets_after is None else now + resets_after,
    )
    snapshot = msgspec.structs.replace(snapshot, rate_limits=(limit,))
    families = {family.metric.name for family in collect(snapshot)}
    assert ("agtop_rate_limit_used_ratio" in families) == published


@pytest.mark.parametrize(("resets_after", "used"), [(None, 0.5), (10, 0.5), (0, None), (-5, None)])
def test_json_has_no_used_ratio_of_an_ended_window(resets_after, used):
    snapshot = make_snapshot()
    now = snapshot.generated_at
    limit = msgspec.structs.replace(
        LIMIT,
        observed_at=now - 60,
        resets_at=None if resets_after is None else now + resets_after,
    )
    page = json.render(msgspec.structs.replace(snapshot, rate_limits=(limit,)))
    (told,) = msgspec.json.decode(page)["rate_limits"]
    assert told["used_ratio"] == used
    assert told["observed_at"] is not None


def batch(number, *, observed_at):
    limit = RateLimit("codex", f"{number}m", 0.5, observed_at=observed_at)
    return Batch("codex", f"/{number}", Cursor(), rate_limits=(limit,))


def test_only_the_latest_windows_are_kept():
    ledger = Ledger()
    for number in range(3 * WINDOWS_MAX):
        record = batch(number, observed_at=1000.0 + number)
        ledger.record(record, price=lambda _agent, _event: None, project=str)
    windows = {window for *_, window in ledger.rate_limits}
    assert windows == {f"{number}m" for number in range(2 * WINDOWS_MAX, 3 * WINDOWS_MAX)}


def test_a_record_from_the_future_does_not_hide_those_that_follow():
    """The clock was wrong when it was written."""
    now, ledger = 2_000.0, Ledger()
    for observed_at, used in ((5_000_000.0, 0.9), (now - 10, 0.1)):
        limit = msgspec.structs.replace(LIMIT, observed_at=observed_at, used_ratio=used)
        batch = Batch("codex", "/x.jsonl", Cursor(), rate_limits=(limit,))
        ledger.record(batch, price=lambda _event: None, project=str)
        ledger.forget_future_limits(now)
    assert ledger.rate_limits["codex", "", "5h"].used_ratio == 0.1
