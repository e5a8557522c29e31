"""Pairs the processes and sessions of one working directory by their start times. No I/O.

It is used for the processes and sessions for which there is no stronger evidence.
"""

from collections.abc import Callable, Sequence

import msgspec

from agtop_exporter.model import SessionState
from agtop_exporter.processes.assign import assign
from agtop_exporter.processes.facts import Confidence
from agtop_exporter.processes.groups import Group

TELLING_SECONDS = 30.0
"""If two start times differ by at most this number of seconds, they do not distinguish two
processes.
"""
_FRESH_SECONDS = 120.0  # longest gap between process start and first record that is evidence
_WIDEST_GAP_SECONDS = 30 * 86_400.0


class FolderPair(msgspec.Struct, frozen=True, gc=False):
    """A process and its session, with the confidence and the evidence of the pair."""

    group: Group
    session: SessionState
    confidence: Confidence
    evidence: tuple[str, ...]


def pair_folder(
    groups: Sequence[Group],
    sessions: Sequence[SessionState],
    *,
    may_run: Callable[[Group, SessionState], bool],
) -> list[FolderPair]:
    """Pair the most recent sessions of one directory with processes that may run them.

    The gap of a pair is the time between the start of the process and the first record of the
    session. The returned pairs have the smallest possible sum of gaps. `may_run` returns whether a
    process can run a session.

    If a process without a session has about the same gap to a paired session, the pair is left out,
    because either process may run the session.
    """
    recent = sorted(
        (session for session in sessions if any(may_run(item, session) for item in groups)),
        key=lambda session: (-(session.facts.last_active or 0.0), session.key),
    )
    # One rank of recency costs more than all gaps together, so recency takes precedence.
    rank_cost = 1 + _milliseconds(_WIDEST_GAP_SECONDS) * len(groups)
    columns = assign(
        [
            [
                rank * rank_cost + _milliseconds(_gap(item, session))
                if may_run(item, session)
                else None
                for rank, session in enumerate(recent)
            ]
            for item in groups
        ]
    )
    pairs = [
        (item, recent[column])
        for item, column in zip(groups, columns, strict=True)
        if column is not None
    ]
    spare = [item for item, column in zip(groups, columns, strict=True) if column is None]
    return [
        FolderPair(
            group=item,
            session=session,
            confidence=_confidence(item, session, pairs=pairs, may_run=may_run),
            evidence=_evidence(item, session, newest=recent[0]),
        )
        for item, session in pairs
        if not any(
            may_run(other, session)
            and abs(_gap(other, session) - _gap(item, session)) <= TELLING_SECONDS
            for other in spare
        )
    ]


def _confidence(
    item: Group,
    session: SessionState,
    *,
    pairs: Sequence[tuple[Group, SessionState]],
    may_run: Callable[[Group, SessionState], bool],
) -> Confidence:
    """Return the confidence of the pair of `item` and `session`.

    The gap of a pair is the time between the start of the process and the start of the session. The
    confidence is low if the session has no times. It is also low if two pairs would have about the
    same sum of gaps after exchanging their processes. Otherwise, the confidence is medium.
    """
    if session.facts.started_at is None and session.facts.last_active is None:
        return "low"
    for other, theirs in pairs:
        crossed = _gap(item, theirs) + _gap(other, session)
        straight = _gap(item, session) + _gap(other, theirs)
        if (
            other is not item
            and crossed - straight <= TELLING_SECONDS
            and may_run(other, session)
            and may_run(item, theirs)
        ):
            return "low"
    return "medium"


def _evidence(item: Group, session: SessionState, *, newest: SessionState) -> tuple[str, ...]:
    fresh = _gap(item, session) <= _FRESH_SECONDS
    return (
        "cwd",
        *(("start_time",) if fresh else ()),
        *(("recency",) if session is newest else ()),
    )


def _gap(item: Group, session: SessionState) -> float:
    """Return the seconds between the start of a process and the first record of a session."""
    started_at = session.facts.started_at
    if started_at is None:
        return _WIDEST_GAP_SECONDS
    return min(abs(item.leaf.started_at - started_at), _WIDEST_GAP_SECONDS)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
