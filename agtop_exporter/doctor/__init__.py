"""Checks the agents' files, the prices and the exporter itself for the command `doctor`.

`examine` returns a Report. The module `text` renders a report for a terminal, and `as_json` renders
it as JSON. The exit status of the command is 1 if there are problems, and otherwise 0.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import msgspec

from agtop_exporter.agents import Agent
from agtop_exporter.build import Build, build
from agtop_exporter.doctor.places import DRIVES, Inventory, NotRead, places_not_read
from agtop_exporter.doctor.records import RecordCounts, Records
from agtop_exporter.doctor.unfinished import unfinished_records
from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    PriceSource,
    RefreshError,
    Snapshot,
    is_ahead,
)
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing import Disagreement, PriceCard
from agtop_exporter.pricing.explanation import Explanation, explain_used, usd

NO_CORRECTIONS: Mapping[str, int] = MappingProxyType({})


class Root(msgspec.Struct, frozen=True):
    """A directory in which an agent may store its files.

    `exists` is false if the directory is missing or does not respond.
    """

    path: str
    exists: bool


class Unreadable(msgspec.Struct, frozen=True):
    """A file or directory that could not be read, with the reason."""

    path: str
    reason: str


class Skipped(msgspec.Struct, frozen=True):
    """The records that could not be used for one reason, or could be used only in part.

    `count` is the number of these records. `first` is the path and the byte offset of the first
    one.
    """

    reason: str
    count: int
    first: str


class Finding(msgspec.Struct, frozen=True):
    """The result of the check of one agent's files."""

    agent: str
    title: str
    roots: tuple[Root, ...]
    accounts: dict[str, str | None]  # plans by account; "" is the default directory
    files: int
    sessions: int
    records: int
    unreadable: tuple[Unreadable, ...]
    not_read: tuple[NotRead, ...]  # in the agent's roots
    elsewhere: tuple[NotRead, ...]  # outside of the agent's roots
    responses: Records
    sessions_without_directory: int
    skipped: tuple[Skipped, ...]
    unknown_records: dict[str, int]  # record types that the reader does not know
    unpriced_models: dict[str, int]  # model -> number of tokens without a price
    known_types: tuple[str, ...]  # record types that the reader knows; all others are unknown
    not_in_files: str
    sessions_ahead: int  # sessions whose last record is in the future
    processes_in_containers: int  # processes in containers whose sessions are unknown
    processes_of_others: bool  # another user runs the agent in a container

    @property
    def is_present(self) -> bool:
        """Return whether one of the agent's roots exists on this machine."""
        return any(root.exists for root in self.roots)

    @property
    def needs_attention(self) -> bool:
        """Return whether a problem makes the agent's metrics wrong, or may make them wrong."""
        return bool(self.unreadable or self.skipped or self.unknown_records or self.unpriced_models)


class Price(msgspec.Struct, frozen=True):
    """The price of a model in one price source, in US dollars per million tokens.

    `priced_as` is the model's name in the price source. `match` is the way in which this name was
    found, such as `exact`. If the price depends on the length of the prompt, this is the price of
    short prompts.
    """

    model: str
    source: str
    priced_as: str
    match: str
    input_usd: float
    cache_read_usd: float
    output_usd: float


class PriceConflict(msgspec.Struct, frozen=True):
    """A model whose current prices differ between two price sources.

    The exporter uses the price `used`, and not the price `other`.
    """

    model: str
    used: Price
    other: Price


class ServiceCheck(msgspec.Struct, frozen=True):
    """The installed service of the user, and what differs between it and the shell.

    `pid` is the process of the service; None if it does not run. `problems` are the differences
    because of which the service may read other files. `differences` are all other differences.
    """

    unit: str
    pid: int | None
    problems: tuple[str, ...]
    differences: tuple[str, ...]


class Report(msgspec.Struct, frozen=True):
    """The result of all checks.

    `problems` are messages about the exporter and the prices. The problems of an agent's files are
    in `agents`.
    """

    agents: tuple[Finding, ...]
    price_sources: tuple[PriceSource, ...]
    prices_used: tuple[Explanation, ...]
    price_conflicts: tuple[PriceConflict, ...]
    problems: tuple[str, ...]
    build: Build
    cost_corrections_usd: dict[str, float] = {}  # by agent, from the daemon's ledger
    service: ServiceCheck | None = None  # None: no service is installed

    @property
    def needs_attention(self) -> bool:
        """Return whether the report contains problems. A price conflict is not a problem."""
        differs = self.service is not None and bool(self.service.problems)
        wrong = any(finding.needs_attention for finding in self.agents)
        return bool(self.problems) or differs or wrong


def examine(  # noqa: PLR0913 - all that a report is made of
    pipeline: Pipeline,
    snapshot: Snapshot,
    *,
    problems: Sequence[str],
    records: RecordCounts,
    corrections: Mapping[str, int] = NO_CORRECTIONS,
    service: ServiceCheck | None = None,
    drives: Path = DRIVES,
) -> Report:
    """Return the report on a refresh that has read all files from the start.

    `snapshot` is the result of the refresh. `problems` are messages about problems that were found
    before the refresh. `records` has the numbers of responses that the refresh read. `corrections`
    has the cost correction of each agent in the daemon's ledger, in picodollars; see
    `Ledger.corrections`. `service` is the check of the installed service. `drives` is the directory
    in which WSL mounts the drives of Windows.
    """
    models = {use.model for use in pipeline.prices.used()}
    return Report(
        agents=tuple(
            _finding(agent, pipeline, snapshot, records.of(name), drives)
            for name, agent in pipeline.agents.items()
        ),
        price_sources=snapshot.price_sources,
        prices_used=explain_used(pipeline.prices, now=snapshot.generated_at),
        price_conflicts=tuple(
            _conflict(one)
            for one in pipeline.prices.known_price_disagreements(snapshot.generated_at)
            if one.model in models
        ),
        problems=(
            *problems,
            *(f"unexpected error: {error}" for error in pipeline.steps.errors),
            *pipeline.prices.problems,
            *pipeline.prices.unknown_prices(),
        ),
        build=build(),
        cost_corrections_usd={
            agent: amount / PICODOLLARS_PER_USD for agent, amount in corrections.items() if amount
        },
        service=service,
    )


def daemon_problems(errors: Iterable[RefreshError]) -> list[str]:
    """Return one message for each error in the last refresh of the daemon."""
    return [f"unexpected error in the last refresh of the daemon: {e}" for e in errors]


def _finding(
    agent: Agent, pipeline: Pipeline, snapshot: Snapshot, records: Records, drives: Path
) -> Finding:
    (status,) = (status for status in snapshot.agents if status.agent == agent.name)
    stored = pipeline.ledger.sessions
    own = [key for key in stored if key[0] == agent.name]
    sessions = [session for session in snapshot.sessions if session.agent == agent.name]
    unpriced: dict[str, int] = {}
    for session in sessions:
        for model, usage in session.models.items():
            if usage.cost.unpriced_tokens:
                unpriced[model] = unpriced.get(model, 0) + usage.cost.unpriced_tokens
    places = pipeline.places(agent.name)
    read = pipeline.ledger.cursors.get(agent.name, {})
    inventory = Inventory(read, places.aliases, pipeline.folders)
    for root in places.roots:
        inventory.look(root)
    unreadable = pipeline.findings.unreadable[agent.name] | inventory.unreadable
    elsewhere: dict[str, str] = {}
    with pipeline.steps.step("scan", agent.name):
        elsewhere.update(places_not_read(agent, pipeline, drives))
    unfinished = unfinished_records(read, now=snapshot.generated_at)
    return Finding(
        agent=agent.name,
        title=agent.title,
        roots=(
            *(Root(str(root), os.path.lexists(root)) for root in places.roots),
            *(Root(path, exists=False) for path in places.silent),
        ),
        accounts=dict(status.accounts),
        files=status.files,
        sessions=len(sessions),
        records=int(snapshot.totals.get(("scan_records", agent.name), 0)),
        unreadable=tuple(Unreadable(path, reason) for path, reason in unreadable.items()),
        not_read=tuple(
            NotRead(path, reason)
            for path, reason in inventory.not_read.items()
            if path not in unreadable
        ),
        elsewhere=tuple(NotRead(path, reason) for path, reason in elsewhere.items()),
        responses=records,
        sessions_without_directory=sum(not session.cwd for session in sessions),
        skipped=(
            *(
                Skipped(error.reason, error.count, error.example)
                for error in pipeline.findings.skipped.get(agent.name, ())
            ),
            *([Skipped("unfinished", len(unfinished), unfinished[0])] if unfinished else ()),
        ),
        unknown_records=dict(pipeline.findings.unknown_types[agent.name].all()),
        unpriced_models=unpriced,
        known_types=tuple(sorted(agent.known_types)),
        not_in_files=agent.not_in_files,
        sessions_ahead=sum(
            last_active is not None and is_ahead(last_active, snapshot.generated_at)
            for last_active in (stored[key].facts.last_active for key in own)
        ),
        processes_in_containers=pipeline.pairing.container_orphans(agent.name),
        processes_of_others=pipeline.pairing.others_run(agent.name),
    )


def _conflict(one: Disagreement) -> PriceConflict:
    return PriceConflict(one.model, _price(one.model, one.used), _price(one.model, one.other))


def _price(model: str, card: PriceCard) -> Price:
    rates = card.tiers[0][1]
    return Price(
        model=model,
        source=card.source,
        priced_as=card.model,
        match=card.match,
        input_usd=usd(rates.input),
        cache_read_usd=usd(rates.cache_read),
        output_usd=usd(rates.output),
    )


def as_json(report: Report) -> bytes:
    """Return the report as a JSON document. It contains all facts that the module `text` shows."""
    document: Mapping[str, object] = {
        "needs_attention": report.needs_attention,
        **msgspec.to_builtins(report),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
