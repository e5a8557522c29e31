"""Stores the errors of refreshes, and builds the snapshot to publish after a failed refresh."""

import msgspec

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import RefreshError, Series, Snapshot

TOTAL = "refresh_errors"
REMEMBERED = "refresh_errors"  # name of the errors in the ledger's metadata
NONE = msgspec.msgpack.encode(())


def error_totals(ledger: Ledger) -> dict[Series, int | float]:
    """Return the total number of errors of each stage. A stage without errors is absent."""
    stored = ledger.stored_totals
    return {series: value for series, value in stored.items() if series[0] == TOTAL}


def remember_errors(ledger: Ledger, errors: tuple[RefreshError, ...]) -> None:
    """Store the errors of the last refresh in the ledger, unless the same errors are stored."""
    data = msgspec.msgpack.encode(errors)
    if data != ledger.metadata.get(REMEMBERED, NONE):
        ledger.remember(REMEMBERED, data)


def remembered_errors(ledger: Ledger) -> tuple[RefreshError, ...]:
    """Return the errors that `remember_errors` has stored; () if they cannot be decoded."""
    try:
        data = ledger.metadata.get(REMEMBERED, NONE)
        return msgspec.msgpack.decode(data, type=tuple[RefreshError, ...])
    except msgspec.MsgspecError:  # written by another version
        return ()


def repeated(
    before: Snapshot, now: float, *, errors: tuple[RefreshError, ...], ledger: Ledger
) -> Snapshot:
    """Return the snapshot to publish after a refresh that failed at `now` (unix seconds).

    It is a copy of the earlier snapshot `before` with `errors`, with the current numbers of errors,
    and with all agents marked as down. Its field `result_of` is the time of the last refresh that
    did not fail.
    """
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
