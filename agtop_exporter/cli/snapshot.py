"""Runs a refresh for the commands that print its snapshot."""

import time
from collections.abc import Callable

from msgspec.structs import replace

from agtop_exporter.cli.output import progress_bar
from agtop_exporter.cli.wiring import make_refresher, now, one_shot
from agtop_exporter.model import AgtopError, Session, Snapshot
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.redaction import Redaction
from agtop_exporter.settings import Settings

RATE_SECONDS = 0.25  # time between the two samples of the processes
RATES = ("cpu_percent", "disk_read_bytes_per_second", "disk_written_bytes_per_second")
"""The fields of ProcessUsage that need two measurements."""


def one_snapshot(settings: Settings, *, for_others: bool = False) -> Snapshot:
    """Refresh once and return the snapshot.

    If `for_others` is true, the snapshot is for other people. The names of projects are then
    replaced if the setting `redact_projects` is on.
    """
    with one_shot(settings) as pipeline:
        snapshot = with_prices(pipeline, settings, lambda: refresh_with_rates(pipeline))
        enabled = for_others and settings.redact_projects
        return Redaction(pipeline.ledger, enabled=enabled).snapshot(snapshot)


def scan(settings: Settings) -> None:
    """Read the new records of the agents into the ledger, if no other process writes it."""
    with one_shot(settings) as pipeline:
        with_prices(pipeline, settings, lambda: refresh(pipeline, now()))


def with_prices(
    pipeline: Pipeline, settings: Settings, first_refresh: Callable[[], Snapshot]
) -> Snapshot:
    """Return the snapshot of a refresh with the known prices.

    If a model has no price, download the price lists and refresh again. The setting
    `no_pricing_refresh` prevents this download.
    """
    refresher = make_refresher(settings, pipeline)
    if settings.refresh_pricing:
        refresher.refresh_once(force=True)
    snapshot = first_refresh()
    unpriced = any(session.cost.unpriced_tokens for session in snapshot.sessions)
    if settings.no_pricing_refresh or not unpriced:
        return snapshot
    generation = pipeline.prices.generation
    refresher.refresh_once()
    return refresh(pipeline, now()) if pipeline.prices.generation != generation else snapshot


def refresh_with_rates(pipeline: Pipeline) -> Snapshot:
    """Refresh once and return the snapshot, including the CPU and disk rates of the processes.

    A rate needs two measurements. The first one is before the refresh. The second one is during the
    refresh, at least RATE_SECONDS later. A rate that would be 0 is None, because the time is too
    short to measure it.
    """
    began = now()
    pipeline.look_at_processes(began)

    def second_sample() -> float:
        if pipeline.pairing.found_agents:
            time.sleep(max(0.0, began + RATE_SECONDS - now()))
        return now()

    return _without_zero_rates(refresh(pipeline, began, sampled_at=second_sample))


def _without_zero_rates(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with None instead of the rates that are 0.

    Linux counts CPU time in steps of 10 ms, and programs write in bursts. Two measurements of an
    active process that follow each other quickly may therefore be equal.
    """
    return replace(snapshot, sessions=tuple(map(_with_known_rates, snapshot.sessions)))


def _with_known_rates(session: Session) -> Session:
    process = session.process
    if process is None or process.usage is None:
        return session
    rates = {name: getattr(process.usage, name) or None for name in RATES}
    usage = replace(process.usage, **rates)
    return replace(session, process=replace(process, usage=usage))


def refresh(
    pipeline: Pipeline, at: float, *, sampled_at: Callable[[], float] | None = None
) -> Snapshot:
    """Refresh once at the time `at` (unix seconds) and return the snapshot.

    `sampled_at` returns the time of the process scan. Raises AgtopError if an unexpected error ends
    the whole refresh.
    """
    with pipeline.steps.step("refresh"):
        return pipeline.refresh(at, progress=progress_bar(), sampled_at=sampled_at)
    errors = "; ".join(map(str, pipeline.steps.errors))
    raise AgtopError(f"an unexpected error ended the refresh: {errors}")
