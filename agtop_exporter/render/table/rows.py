"""Selects and sorts the rows of the table: the top-level sessions of a snapshot."""

from collections.abc import Sequence

import msgspec

from agtop_exporter.model import Session, SessionKey
from agtop_exporter.render.table.columns import COLUMNS

SORTED_BY = "last"  # the default: the latest activity first
SORT_NAMES = tuple(column.name for column in COLUMNS)
"""The values of `--sort`."""


class Selection(msgspec.Struct, frozen=True):
    """Which sessions have a row, and the order of the rows.

    `sort` is one of SORT_NAMES. If `live` is true, closed sessions are left out. If `project` is
    set, sessions of other projects are left out. If `since` (unix seconds) is set, sessions whose
    last activity was earlier are left out.
    """

    sort: str = SORTED_BY
    live: bool = False
    project: str = ""
    since: float | None = None

    def __contains__(self, session: Session) -> bool:
        return not (
            (self.live and session.state.kind == "closed")
            or (self.project and session.project != self.project)
            or (self.since is not None and (session.last_active or 0) < self.since)
        )


EVERYTHING = Selection()


def top_level(sessions: Sequence[Session]) -> list[Session]:
    """Return the sessions that are not a subagent of another session in `sessions`.

    If damaged records make sessions the subagents of each other, one of them is a top-level
    session.
    """
    parents = {_key(s): s.parent_session_id or "" for s in sessions}

    def top(key: SessionKey) -> SessionKey:
        line: list[SessionKey] = []
        while key in parents:
            if key in line:
                return min(line[line.index(key) :])
            line.append(key)
            key = SessionKey(key.agent, parents[key])
        return line[-1]

    return [s for s in sessions if not s.parent_session_id or top(_key(s)) == _key(s)]


def _key(session: Session) -> SessionKey:
    return SessionKey(session.agent, session.session_id)


def select(sessions: Sequence[Session], selection: Selection) -> list[Session]:
    """Return the selected sessions in their order.

    Numbers are sorted from large to small, times from late to early, and texts alphabetically.
    Unknown values come last. Sessions with equal values are sorted by their last activity.
    """
    column = next(column for column in COLUMNS if column.name == selection.sort)
    rows = [(column.value(session), session) for session in sessions if session in selection]
    rows.sort(key=lambda row: (-(row[1].last_active or 0), row[1].session_id))
    known = [row for row in rows if row[0] not in (None, "")]
    unknown = [row for row in rows if row[0] in (None, "")]
    known.sort(key=lambda row: _sort_key(row[0]))
    return [session for _, session in (*known, *unknown)]


def _sort_key(value: float | str | None) -> tuple[float, str]:
    return (0.0, value.casefold()) if isinstance(value, str) else (-(value or 0), "")
