"""Removes private data from snapshots, and replaces the names of projects with pseudonyms.

The setting `redact_projects` selects pseudonyms.

A pseudonym such as `project-3f9a2c1d04` depends on the name and on a key. The key is random and is
stored in the ledger, so that a pseudonym stays the same after a restart. Without the key, the
pseudonyms of likely names cannot be computed.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import PurePath

from msgspec.structs import replace

from agtop_exporter.ledger import Ledger
from agtop_exporter.ledger.label_values import OTHER
from agtop_exporter.model import BudgetUse, Series, Session, Snapshot
from agtop_exporter.pipeline.overview import Overview

METADATA = "pseudonym_key"  # of the ledger
KEY_BYTES = 16
DIGITS = 10
FAMILIES = frozenset({"project_tokens", "project_cost"})
"""Counters whose last label is a project."""


class Redaction:
    """Replaces the names of projects in data that leaves this machine.

    If it is not enabled, it returns the data unchanged.
    """

    def __init__(self, ledger: Ledger, *, enabled: bool) -> None:
        """Use the key in `ledger`. If it has none, a new key is stored with the next refresh."""
        self._ledger = ledger
        self._enabled = enabled

    @cached_property
    def _key(self) -> bytes:
        stored = self._ledger.metadata.get(METADATA, b"")
        if not stored:
            stored = secrets.token_bytes(KEY_BYTES)
            self._ledger.remember(METADATA, stored)
        return stored

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot with pseudonyms instead of the names of projects.

        Its sessions have no title, no directory and no branch, which may name a project too.
        """
        if not self._enabled:
            return snapshot
        plain = without_private(snapshot)
        return replace(
            plain,
            sessions=self._sessions(plain.sessions),
            published=self._sessions(plain.published),
            returned={key: self._session(one) for key, one in plain.returned.items()},
            totals=self.totals(plain.totals),
            budgets=tuple(map(self._budget, plain.budgets)),
        )

    def totals(self, totals: Mapping[Series, int | float]) -> Mapping[Series, int | float]:
        """Return counters with pseudonyms instead of the names of projects."""
        if not self._enabled:
            return totals
        return {
            (*series[:-1], self._pseudonym(series[-1])) if series[0] in FAMILIES else series: value
            for series, value in totals.items()
        }

    def overview(self, overview: Overview) -> Overview:
        """Return an overview with pseudonyms instead of the names of projects."""
        if not self._enabled:
            return overview
        projects = tuple(
            replace(one, name=self._pseudonym(one.name)) for one in overview.usage["project"]
        )
        return replace(
            overview,
            snapshot=self.snapshot(overview.snapshot),
            usage={**overview.usage, "project": projects},
            sessions=self._sessions(overview.sessions),
        )

    def _sessions(self, sessions: Iterable[Session]) -> tuple[Session, ...]:
        return tuple(map(self._session, sessions))

    def _session(self, session: Session) -> Session:
        project = self._pseudonym(session.project) if session.project else None
        return replace(session, project=project, title=None, cwd=None, git_branch=None)

    def _budget(self, use: BudgetUse) -> BudgetUse:
        if not use.project:
            return use
        project = self._pseudonym(use.project)
        return replace(use, project=project, name=use.name.replace(use.project, project))

    def _pseudonym(self, project: str) -> str:
        """Return the pseudonym of a project.

        The unknown project "" and the label value for all other projects are returned unchanged.
        """
        if project in ("", OTHER):
            return project
        digest = hmac.new(self._key, project.encode("utf-8", "replace"), hashlib.sha256)
        return f"project-{digest.hexdigest()[:DIGITS]}"


def without_private(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot for other machines: its sessions have no titles and no directories.

    The path of a transcript becomes the name of its file.
    """
    sessions = tuple(map(_without_private, snapshot.sessions))
    published = tuple(map(_without_private, snapshot.published))
    return replace(snapshot, sessions=sessions, published=published)


def _without_private(session: Session) -> Session:
    return replace(session, title=None, cwd=None, data_path=PurePath(session.data_path).name)
