"""Looks at everything once, and says of each agent what was found and what needs attention.

claude     2 roots, 18 files, 18 sessions, 402 records
  ! skipped 3 records: json (first: .../alpha/b05c.jsonl:8812)
  ! no price is known for: claude-imaginary-9 (12,000 tokens)
  - not in its files: title and compaction requests, streams that were cut
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from agtop_exporter.agents import Agent, Environment
from agtop_exporter.model import AgentStatus, PriceSource, Snapshot
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing.book import Disagreement


class Root(msgspec.Struct, frozen=True):
    """A directory that an agent may write to."""

    path: str
    exists: bool


class Skipped(msgspec.Struct, frozen=True):
    """Records that could not be used, and where the first of them is."""

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
    failed: bool  # some file could not be read at all
    skipped: tuple[Skipped, ...]
    unknown_records: dict[str, int]  # record types that the reader does not know
    unpriced_models: dict[str, int]  # model -> tokens
    not_in_files: str

    @property
    def needs_attention(self) -> bool:
        """Say whether something is counted wrong, or soon may be."""
        return bool(self.failed or self.skipped or self.unknown_records or self.unpriced_models)


class PriceConflict(msgspec.Struct, frozen=True):
    """A model whose current price two sources state differently; the first is used."""

    model: str
    used: str
    other: str


class Report(msgspec.Struct, frozen=True):
    """All findings; `problems` are those of the exporter itself."""

    agents: tuple[Finding, ...]
    price_sources: tuple[PriceSource, ...]
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
    homes: Sequence[Path],
    environment: Environment,
    problems: Sequence[str],
) -> Report:
    """Make the report of a refresh that read everything."""
    statuses = {status.agent: status for status in snapshot.agents}
    return Report(
        agents=tuple(
            _finding(agent, statuses[name], pipeline, snapshot, _roots(agent, homes, environment))
            for name, agent in pipeline.agents.items()
        ),
        price_sources=snapshot.price_sources,
        price_conflicts=tuple(
            _conflict(one)
            for one in pipeline.prices.known_price_disagreements(snapshot.generated_at)
            if one.model in {model for session in snapshot.sessions for model in session.models}
        ),
        problems=tuple(problems),
    )


def _roots(agent: Agent, homes: Sequence[Path], environment: Environment) -> tuple[Root, ...]:
    paths = dict.fromkeys(path for home in homes for path in agent.roots(home, environment))
    return tuple(Root(str(path), path.exists()) for path in paths)


def _finding(
    agent: Agent,
    status: AgentStatus,
    pipeline: Pipeline,
    snapshot: Snapshot,
    roots: tuple[Root, ...],
) -> Finding:
    sessions = [session for session in snapshot.sessions if session.agent == agent.name]
    unpriced: dict[str, int] = {}
    for session in sessions:
        for model, usage in session.models.items():
            if usage.cost.unpriced_tokens:
                unpriced[model] = unpriced.get(model, 0) + usage.cost.unpriced_tokens
    return Finding(
        agent=agent.name,
        title=agent.title,
        roots=roots,
        files=status.files,
        sessions=len(sessions),
        records=int(snapshot.totals.get(("scan_records", agent.name), 0)),
        failed=status.up is False,
        skipped=tuple(
            Skipped(error.reason, error.count, error.example)
            for error in pipeline.skipped.get(agent.name, ())
        ),
        unknown_records=dict(pipeline.unknown_types[agent.name].all()),
        unpriced_models=unpriced,
        not_in_files=agent.not_in_files,
    )


def _conflict(one: Disagreement) -> PriceConflict:
    return PriceConflict(one.model, one.used.source, one.other.source)


def as_json(report: Report) -> bytes:
    """Return the report as JSON, with what the sentences of `as_text` say."""
    document: Mapping[str, object] = {
        "needs_attention": report.needs_attention,
        **msgspec.to_builtins(report),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def as_text(report: Report) -> str:
    """Return the report for people."""
    lines: list[str] = []
    for finding in report.agents:
        lines += _about(finding)
    for source in report.price_sources:
        lines.append(f"prices     {source.source} {source.version}".rstrip())
    for conflict in report.price_conflicts:
        lines.append(f"  - {conflict.model}: {conflict.used} and {conflict.other} differ")
    lines += [f"  ! {problem}" for problem in report.problems]
    verdict = "something needs attention" if report.needs_attention else "all is well"
    return "\n".join([*lines, verdict, ""])


def _about(finding: Finding) -> list[str]:
    name = finding.agent.ljust(10)
    present = [root.path for root in finding.roots if root.exists]
    if not present:
        return [f"{name} not found in {len(finding.roots)} places (--json lists them)"]
    found = f"{finding.files:,} files, {finding.sessions:,} sessions, {finding.records:,} records"
    lines = [f"{name} {found} in {', '.join(present)}"]
    lines += [
        f"  ! skipped {one.count:,} records: {one.reason} (first: {one.first})"
        for one in finding.skipped
    ]
    if finding.failed:
        lines.append("  ! some files could not be read: see the warnings above")
    if finding.unknown_records:
        kinds = ", ".join(f"{kind} ({n:,})" for kind, n in sorted(finding.unknown_records.items()))
        lines.append(f"  ! record types that are new to this program: {kinds}")
    if finding.unpriced_models:
        models = ", ".join(
            f"{m} ({n:,} tokens)" for m, n in sorted(finding.unpriced_models.items())
        )
        lines.append(f"  ! no price is known for: {models}")
    if finding.not_in_files:
        lines.append(f"  - not in its files: {finding.not_in_files}")
    return lines
