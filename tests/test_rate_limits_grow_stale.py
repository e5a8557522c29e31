"""What an agent said of a rate limit is not published once the window has been reset."""

import msgspec
import pytest
from snapshots import make_snapshot

from agtop_exporter.catalogue import collect
from agtop_exporter.model import RateLimit

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
