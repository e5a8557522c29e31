"""What is left of a refresh that failed, for the pages and for those who open the ledger."""

import msgspec

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import RefreshError, Series, Snapshot

TOTAL = "refresh_errors"
REMEMBERED = "refresh_errors"  # a name in the ledger's metadata
NONE = msgspec.msgpack.encode(())


def error_totals(ledger: Ledger) -> dict[Series, int | float]:
    """Return how many errors were counted by stage; a stage without errors is absent."""
    return {series: value for series, value in ledger.totals.items() if series[0] == TOTAL}


def remember_errors(ledger: Ledger, errors: tuple[RefreshError, ...]) -> None:
    """Write how the last refresh failed into the ledger, where that has changed."""
    data = msgspec.msgpack.encode(errors)
    if data != ledger.metadata.get(REMEMBERED, NONE):
        ledger.remember(REMEMBERED, data)


def remembered_errors(ledger: Ledger) -> tuple[RefreshError, ...]:
    """Return how the last refresh failed, as far as the ledger tells."""
    try:
        data = ledger.metadata.get(REMEMBERED, NONE)
        return msgspec.msgpack.decode(data, type=tuple[RefreshError, ...])
    except msgspec.MsgspecError:  # another version wrote it
        return ()


def repeated(
    before: Snapshot, now: float, *, errors: tuple[RefreshError, ...], ledger: Ledger
) -> Snapshot:
    """Return an earlier result again, for a refresh that has none: every agent is down."""
    return msgspec.structs.replace(
        before,
        generated_at=now,
        result_of=before.generated_at if before.result_of is None else before.result_of,
        totals={**before.totals, **error_totals(ledger)},
        agents=tuple(
            status if status.up is None else msgspec.structs.replace(status, up=False)
            for status in before.agents
        ),
        errors=errors,
    )
