"""Checks the agents' files, the prices and the exporter itself for the command `doctor`.

`examine` returns a Report. The module `text` renders a report for a terminal, and `as_json` renders
it as JSON. The exit status of the command is 1 if there are problems, and otherwise 0.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from agtop_exporter.agents import Agent
from agtop_exporter.build import build
from agtop_exporter.doctor.not_read import InstalledAgent
from agtop_exporter.doctor.places import DRIVES, Inventory, NotRead, places_not_read
from agtop_exporter.doctor.records import RecordCounts, Records
from agtop_exporter.doctor.report import (
    Finding,
    Price,
    PriceConflict,
    Report,
    Root,
    ServiceCheck,
    Skipped,
    Unreadable,
)
from agtop_exporter.doctor.unfinished import unfinished_records
from agtop_exporter.model import (
    PICODOLLARS_PER_USD,
    Cursor,
    RefreshError,
    Session,
    Snapshot,
    is_ahead,
)
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing import Disagreement, PriceCard
from agtop_exporter.pricing.explanation import explain_used, usd
from agtop_exporter.render.json import SCHEMA_VERSION, encoded, schema_of
from agtop_exporter.render.json.shape import Key, Shape, keys_of

NO_CORRECTIONS: Mapping[str, int] = MappingProxyType({})
DOCUMENT = Shape(
    "Document",
    (
        Key("schema_version", Literal[1], lambda _report: SCHEMA_VERSION),
        Key("needs_attention", bool, attrgetter("needs_attention")),
        *keys_of(Report),
    ),
    "The output of `agtop-exporter doctor --json`. Keys are only added.",
)


def examine(  # noqa: PLR0913 - all that a report is made of
    pipeline: Pipeline,
    snapshot: Snapshot,
    *,
    problems: Sequence[str],
    records: RecordCounts,
    corrections: Mapping[str, int] = NO_CORRECTIONS,
    service: ServiceCheck | None = None,
    not_read: Sequence[InstalledAgent] = (),
    drives: Path = DRIVES,
) -> Report:
    """Return the report on a refresh that has read all files from the start.

    `snapshot` is the result of the refresh. `problems` are messages about problems that were found
    before the refresh. `records` has the numbers of responses that the refresh read. `corrections`
    has the cost correction of each agent in the daemon's ledger, in picodollars; see
    `Ledger.corrections`. `service` is the check of the installed service. `not_read` are the
    installed agents that are not read. `drives` is the directory in which WSL mounts the drives of
    Windows.
    """
    models = {use.model for use in pipeline.prices.used()}
    return Report(
        agents=tuple(
            _finding(agent, pipeline, snapshot, records.of(name), drives)
            for name, agent in pipeline.agents.items()
        ),
        agents_not_read=tuple(not_read),
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
    places = pipeline.places(agent.name)
    read = pipeline.ledger.cursors.get(agent.name, {})
    # An agent that another one runs can have its files below the roots of that other agent.
    of_all_agents = {path for of_one in pipeline.ledger.cursors.values() for path in of_one}
    inventory = Inventory(of_all_agents, places.aliases, pipeline.folders)
    for root in places.roots:
        inventory.look(root)
    unreadable = pipeline.findings.unreadable[agent.name] | inventory.unreadable
    elsewhere: dict[str, str] = {}
    with pipeline.steps.step("scan", agent.name):
        elsewhere.update(places_not_read(agent, pipeline, drives))
    return Finding(
        agent=agent.name,
        title=agent.title,
        exact=agent.exact,
        not_in_files=agent.not_in_files,
        versions_seen=agent.versions_seen,
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
            *_unfinished(read, snapshot.generated_at),
        ),
        unknown_records=dict(pipeline.findings.unknown_types[agent.name].all()),
        unpriced_models=_unpriced(sessions),
        known_types=tuple(sorted(agent.known_types)),
        sessions_ahead=sum(
            last_active is not None and is_ahead(last_active, snapshot.generated_at)
            for last_active in (stored[key].facts.last_active for key in own)
        ),
        processes_in_containers=pipeline.pairing.container_orphans(agent.name),
        processes_of_others=pipeline.pairing.others_run(agent.name),
    )


def _unfinished(cursors: Mapping[str, Cursor], now: float) -> Iterator[Skipped]:
    """Yield the number of incomplete records at the ends of files, if there are any."""
    if found := unfinished_records(cursors, now=now):
        yield Skipped("unfinished", len(found), found[0])


def _unpriced(sessions: Iterable[Session]) -> dict[str, int]:
    """Return the number of tokens without a known price by model."""
    tokens: Counter[str] = Counter()
    for session in sessions:
        for model, usage in session.models.items():
            if usage.cost.unpriced_tokens:
                tokens[model] += usage.cost.unpriced_tokens
    return dict(tokens)


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
    return encoded(DOCUMENT(report))


def schema() -> bytes:
    """Return the JSON Schema of the document."""
    return schema_of(DOCUMENT)
