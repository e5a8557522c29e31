"""Looks at everything once, and reports what was found and what needs attention.

The report is a frozen value; `text` makes it readable. The exit status of the command is 0 where
all is well, 1 where something needs attention.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from agtop_exporter.agents import Agent
from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    AgentStatus,
    PriceSource,
    RefreshError,
    Snapshot,
)
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing import Disagreement, PriceCard

FOLDER_DEPTH = 4  # below a root: no agent writes deeper
TOKENS_PER_PRICE = 1_000_000


class Root(msgspec.Struct, frozen=True):
    """A directory that an agent may write to; one that does not respond counts as missing."""

    path: str
    exists: bool


class Unreadable(msgspec.Struct, frozen=True):
    """A file or a directory that could not be looked into."""

    path: str
    reason: str


class Skipped(msgspec.Struct, frozen=True):
    """Records that could not be used, or not wholly, and where the first of them is."""

    reason: str
    count: int
    first: str


class Finding(msgspec.Struct, frozen=True):
    """What one agent's files hold."""

    agent: str
    title: str
    roots: tuple[Root, ...]
    files: int
    sessions: int
    records: int
    unreadable: tuple[Unreadable, ...]
    skipped: tuple[Skipped, ...]
    unknown_records: dict[str, int]  # record types that the reader does not know
    unpriced_models: dict[str, int]  # model -> tokens
    known_types: tuple[str, ...]  # record types that the reader knows; all others are unknown
    not_in_files: str

    @property
    def is_present(self) -> bool:
        """Say whether the agent has left anything on this machine."""
        return any(root.exists for root in self.roots)

    @property
    def needs_attention(self) -> bool:
        """Say whether something is counted wrong, or soon may be."""
        return bool(self.unreadable or self.skipped or self.unknown_records or self.unpriced_models)


class Price(msgspec.Struct, frozen=True):
    """What a model cost when it was used, by which source, and how its name led there.

    In USD per million tokens; those of short prompts, where a source has tiers.
    """

    model: str
    source: str
    priced_as: str
    match: str
    input_usd: float
    cache_read_usd: float
    output_usd: float


class PriceConflict(msgspec.Struct, frozen=True):
    """A model whose current price two sources state differently; the first is used."""

    model: str
    used: Price
    other: Price


class Report(msgspec.Struct, frozen=True):
    """All findings; `problems` are those of the exporter itself."""

    agents: tuple[Finding, ...]
    price_sources: tuple[PriceSource, ...]
    prices_used: tuple[Price, ...]
    price_conflicts: tuple[PriceConflict, ...]
    problems: tuple[str, ...]

    @property
    def needs_attention(self) -> bool:
        """Say whether anything does; price conflicts are only worth knowing."""
        return bool(self.problems or any(finding.needs_attention for finding in self.agents))


def examine(
    pipeline: Pipeline,
    snapshot: Snapshot,
    *,
    problems: Sequence[str],
) -> Report:
    """Make the report of a refresh that read everything."""
    statuses = {status.agent: status for status in snapshot.agents}
    used = pipeline.prices.used()
    models = {use.model for use in used}
    return Report(
        agents=tuple(
            _finding(agent, statuses[name], pipeline, snapshot)
            for name, agent in pipeline.agents.items()
        ),
        price_sources=snapshot.price_sources,
        prices_used=tuple(dict.fromkeys(_price(use.model, use.card) for use in used)),
        price_conflicts=tuple(
            _conflict(one)
            for one in pipeline.prices.known_price_disagreements(snapshot.generated_at)
            if one.model in models
        ),
        problems=(
            *problems,
            *(f"an unexpected error in {error}" for error in snapshot.errors),
            *pipeline.prices.problems,
        ),
    )


def of_the_daemon(errors: Iterable[RefreshError]) -> list[str]:
    """Return the problems of the daemon whose last refresh had these errors."""
    return [f"an unexpected error in the last refresh of the daemon, in {e}" for e in errors]


def _finding(
    agent: Agent,
    status: AgentStatus,
    pipeline: Pipeline,
    snapshot: Snapshot,
) -> Finding:
    sessions = [session for session in snapshot.sessions if session.agent == agent.name]
    unpriced: dict[str, int] = {}
    for session in sessions:
        for model, usage in session.models.items():
            if usage.cost.unpriced_tokens:
                unpriced[model] = unpriced.get(model, 0) + usage.cost.unpriced_tokens
    unreadable = dict(pipeline.unreadable[agent.name])
    places = pipeline.places(agent.name)
    for root in places.roots:
        unreadable.update(_closed_folders(root))
    return Finding(
        agent=agent.name,
        title=agent.title,
        roots=(
            *(Root(str(root), os.path.lexists(root)) for root in places.roots),
            *(Root(path, exists=False) for path in places.silent),
        ),
        files=status.files,
        sessions=len(sessions),
        records=int(snapshot.totals.get(("scan_records", agent.name), 0)),
        unreadable=tuple(Unreadable(path, reason) for path, reason in unreadable.items()),
        skipped=tuple(
            Skipped(error.reason, error.count, error.example)
            for error in pipeline.skipped.get(agent.name, ())
        ),
        unknown_records=dict(pipeline.unknown_types[agent.name].all()),
        unpriced_models=unpriced,
        known_types=tuple(sorted(agent.known_types)),
        not_in_files=agent.not_in_files,
    )


def _closed_folders(root: Path) -> Iterator[tuple[str, str]]:
    """Give the directories below a root that cannot be listed: (path, reason)."""
    waiting = [(str(root), FOLDER_DEPTH)]
    for path, depth_left in waiting:
        try:
            with os.scandir(path) as entries:
                folders = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            yield path, error.strerror or type(error).__name__
            continue
        if depth_left:
            waiting += [(folder, depth_left - 1) for folder in folders]


def _conflict(one: Disagreement) -> PriceConflict:
    return PriceConflict(one.model, _price(one.model, one.used), _price(one.model, one.other))


def _price(model: str, card: PriceCard) -> Price:
    rates = card.tiers[0][1]
    usd = PICODOLLARS_PER_USD / TOKENS_PER_PRICE
    return Price(
        model=model,
        source=card.source,
        priced_as=card.model,
        match=card.match,
        input_usd=rates.input / usd,
        cache_read_usd=rates.cache_read / usd,
        output_usd=rates.output / usd,
    )


def as_json(report: Report) -> bytes:
    """Return the report as JSON, with what the sentences of `text` say."""
    document: Mapping[str, object] = {
        "needs_attention": report.needs_attention,
        **msgspec.to_builtins(report),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
