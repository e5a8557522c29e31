"""A command that measures processes for a moment reports no rate of 0, because it cannot know."""

import contextlib
from types import SimpleNamespace

from msgspec.structs import replace
from snapshots import PROCESS, USAGE, make_session, make_snapshot

from agtop_exporter.cli.snapshot import refresh_with_rates
from agtop_exporter.model import ProcessMatch


def pipeline_of(*sessions):
    """Return an object like a pipeline whose refresh has these sessions."""
    return SimpleNamespace(
        look_at_processes=lambda _now: None,
        pairing=SimpleNamespace(found_agents=False),
        steps=SimpleNamespace(step=lambda _stage: contextlib.nullcontext()),
        refresh=lambda _now, **_options: make_snapshot(*sessions),
    )


def test_a_rate_of_zero_is_unknown_and_others_stay():
    used = replace(
        USAGE, cpu_percent=0.0, disk_read_bytes_per_second=0.0, disk_written_bytes_per_second=7.0
    )
    snapshot = refresh_with_rates(pipeline_of(make_session(process=replace(PROCESS, usage=used))))
    assert snapshot.sessions[0].process.usage == replace(
        used, cpu_percent=None, disk_read_bytes_per_second=None
    )


def test_sessions_without_figures_stay():
    host = ProcessMatch(7, 0.0, "live", "low")
    sessions = (make_session(process=None), make_session(session_id="b", process=host))
    assert refresh_with_rates(pipeline_of(*sessions)).sessions == sessions
