"""Renders the report of `doctor` as text.

claude       18 files, 18 sessions, 402 records in /home/ada/.claude/projects
  - accounts: default (Claude Max 20x), claude-home (Pro)
  ! 3 records are not valid JSON, the first at /home/ada/.claude/projects/alpha/b05c.jsonl:8812
  ! no price is known for claude-imaginary-9 (12,000 tokens)
  - 6 responses recorded again (streams, copies); each is counted once
  - not read: /home/ada/.claude/projects/beta/7d1f.jsonl (a broken symbolic link)
  - found and not read: /mnt/c/Users/ada/.claude/projects (a Windows home directory: add --home ...)
  - not in its files: title, compaction and safety requests, streams that were cut
not found    codex, gemini (--json lists the searched directories)
not read     1 installed agent, whose usage is not counted
  - Dreamer (/home/ada/.dreamer): its files have no token counts
2 problems found: see the lines marked "!".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from agtop_exporter.build import Build
from agtop_exporter.doctor.not_read import InstalledAgent
from agtop_exporter.doctor.places import NotRead
from agtop_exporter.doctor.report import (
    Finding,
    Price,
    PriceConflict,
    Report,
    ServiceCheck,
    Skipped,
)
from agtop_exporter.model import PriceSource
from agtop_exporter.render.price import printable

NAME_WIDTH = 12
LISTED = 5  # unreadable paths that have a line each
GUESSED = (
    "prefix-stripped",
    "suffix-stripped",
    "maker",
    "regional",
)  # matches that may give a model a wrong price
WHAT_IS_WRONG = {  # reason of a ParseError -> singular, plural
    "json": ("record is not valid JSON", "records are not valid JSON"),
    "schema": (
        "record has fields of unexpected types or values (its other fields are counted)",
        "records have fields of unexpected types or values (their other fields are counted)",
    ),
    "encoding": (
        "record has text that is not valid UTF-8 (it is counted)",
        "records have text that is not valid UTF-8 (they are counted)",
    ),
    "too_large": ("record is too long", "records are too long"),
    "unfinished": (
        "record at the end of a file is not complete",
        "records at the ends of files are not complete",
    ),
    "corrupt": ("database is damaged", "databases are damaged"),
    "ambiguous": (
        "record may be a copy of an earlier one (it is counted)",
        "records may be copies of earlier ones (they are counted)",
    ),
    "unknown_usage": (
        "record has usage whose meaning is not known (it is not counted)",
        "records have usage whose meaning is not known (they are not counted)",
    ),
    "negative": (
        "event has a negative figure, a bug in this program (it is not counted)",
        "events have negative figures, a bug in this program (they are not counted)",
    ),
}


def render(report: Report) -> str:
    """Return the report as lines. `!` marks a problem and `-` a remark."""
    lines: list[str] = []
    for finding in report.agents:
        if finding.is_present or finding.needs_attention or finding.elsewhere:
            lines += _about(finding)
    missing = [
        finding.agent
        for finding in report.agents
        if not (finding.is_present or finding.needs_attention or finding.elsewhere)
    ]
    if missing:
        names = ", ".join(missing)
        lines.append(_row("not found", f"{names} (--json lists the searched directories)"))
    if len(missing) == len(report.agents):
        lines.append("  - no agent was found. To read the files of another user, see --home.")
    if report.agents_not_read:
        lines += _about_agents_not_read(report.agents_not_read)
    lines.append(_row("program", _about_build(report.build)))
    sources = "; ".join(map(_source, report.price_sources))
    lines.append(_row("prices", sources))
    lines += [f"  - {line}" for line in _about_prices(report)]
    lines += [f"  ! {_plain(problem)}" for problem in report.problems]
    if report.service:
        lines += _about_service(report.service)
    verdict = _verdict(
        sum(line.startswith("  ! ") for line in lines),
        found=len(missing) < len(report.agents),
        all_read=not (
            report.agents_not_read or any(finding.elsewhere for finding in report.agents)
        ),
    )
    return "\n".join([*lines, verdict, ""])


def _about_build(build: Build) -> str:
    """Return the versions of the program and of what it runs on."""
    commit = f" (revision {build.revision})" if build.revision else ""
    libraries = ", ".join(f"{name} {version}" for name, version in build.libraries.items())
    runs_on = f"Python {build.python}, SQLite {build.sqlite}, {build.platform}"
    return f"agtop-exporter {build.version}{commit} on {runs_on}; {libraries}"


def _verdict(problems: int, *, found: bool, all_read: bool) -> str:
    if not problems and not found:
        return "Nothing was checked."
    if not problems:
        return "No problems found." if all_read else "No problems found in what was read."
    return f'{_counted(problems, "problem")} found: see the line{"s" * (problems > 1)} marked "!".'


def _row(name: str, text: str) -> str:
    return f"{name:<{NAME_WIDTH}} {text}"


def _counted(count: int, noun: str) -> str:
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{ending}"


def _about(finding: Finding) -> Iterator[str]:
    """Yield the lines of the report about one agent."""
    counts = ((finding.files, "file"), (finding.sessions, "session"), (finding.records, "record"))
    found = ", ".join(_counted(count, noun) for count, noun in counts)
    present = ", ".join(root.path for root in finding.roots if root.exists)
    yield _row(finding.agent, f"{found} in {present}" if present else found)
    yield from _about_accounts(finding.accounts)
    for one in finding.unreadable[:LISTED]:
        yield f"  ! cannot read {one.path}: {one.reason}"
    if len(finding.unreadable) > LISTED:
        yield f"  ! cannot read {len(finding.unreadable) - LISTED:,} more (--json lists them)"
    for skipped in finding.skipped:
        yield f"  ! {_about_skipped(skipped)}"
    if finding.unknown_records:
        kinds = _listed(finding.unknown_records, unit="")
        yield f"  ! unknown record types: {kinds}"
    if finding.unpriced_models:
        models = _listed(finding.unpriced_models, unit=" tokens")
        yield f"  ! no price is known for {models}"
    yield from _about_records(finding)
    yield from (f"  - not read: {line}" for line in _about_not_read(finding.not_read))
    yield from (f"  - found and not read: {line}" for line in _about_not_read(finding.elsewhere))
    if finding.not_in_files:
        yield f"  - not in its files: {finding.not_in_files}"
    if finding.sessions_ahead:
        sessions = _counted(finding.sessions_ahead, "session")
        yield f"  - with a last record later than the clock: {sessions}"
    if finding.processes_in_containers:
        processes = _counted(finding.processes_in_containers, "process")
        yield f"  - in containers, with unknown sessions: {processes} (see --home)"
    if finding.processes_of_others:
        yield "  - another user runs it in a container: its processes are not read"


def _about_accounts(accounts: Mapping[str, str | None]) -> Iterator[str]:
    """Yield a line with the accounts and their plans, unless there is only the default account."""
    if accounts.keys() - {""}:
        plans = {name or "default": plan for name, plan in accounts.items()}
        named = (f"{name} ({_plain(plan)})" if plan else name for name, plan in plans.items())
        yield f"  - accounts: {', '.join(named)}"


def _about_records(finding: Finding) -> Iterator[str]:
    """Yield remarks about repeated responses, and about missing models, times and directories."""
    responses = finding.responses
    facts = (
        (responses.repeated, "recorded again (streams, copies); each is counted once"),
        (responses.without_model, "recorded without a model"),
        (responses.without_time, "recorded without a time"),
        (responses.time_of_file, "recorded without a time; that of the file is used"),
    )
    for count, fact in facts:
        if count:
            yield f"  - {_counted(count, 'response')} {fact}"
    if finding.sessions_without_directory:
        count = finding.sessions_without_directory
        yield f"  - {_counted(count, 'session')} without a directory; the project is unknown"


def _about_not_read(found: Iterable[NotRead]) -> Iterator[str]:
    """Yield one line for each reason, with the first path and the number of further paths."""
    paths: dict[str, list[str]] = {}
    for one in found:
        paths.setdefault(one.reason, []).append(one.path)
    for reason, places in paths.items():
        more = f" and {len(places) - 1:,} more" if len(places) > 1 else ""
        yield f"{_plain(places[0])}{more} ({reason})"


def _about_agents_not_read(agents: Sequence[InstalledAgent]) -> Iterator[str]:
    """Yield a line for each installed agent that is not read: its name, first path and reason."""
    yield _row(
        "not read", f"{_counted(len(agents), 'installed agent')}, whose usage is not counted"
    )
    for agent in agents:
        more = f" and {len(agent.found) - 1:,} more" if len(agent.found) > 1 else ""
        yield f"  - {agent.title} ({_plain(agent.found[0])}{more}): {agent.reason}"


def _about_skipped(skipped: Skipped) -> str:
    default = (f"record: {skipped.reason}", f"records: {skipped.reason}")
    singular, plural = WHAT_IS_WRONG.get(skipped.reason, default)
    what = singular if skipped.count == 1 else plural
    return f"{skipped.count:,} {what}, the first at {skipped.first}"


def _listed(counts: Mapping[str, int], *, unit: str) -> str:
    return ", ".join(f"{_plain(name)} ({count:,}{unit})" for name, count in sorted(counts.items()))


def _plain(name: str) -> str:
    """Return a name from a transcript without characters that a terminal interprets."""
    return printable(name) or "a model without a name"


def _source(source: PriceSource) -> str:
    if source.updated_at is None:
        return f"{source.source} {source.version}".rstrip()
    date = datetime.fromtimestamp(source.updated_at, tz=UTC).date()
    return f"{source.source} {source.version} of {date}"


def _about_service(service: ServiceCheck) -> Iterator[str]:
    process = "does not run" if service.pid is None else f"process {service.pid}"
    yield _row("service", f"{_plain(service.unit)}, {process}")
    yield from (f"  ! {_plain(problem)}" for problem in service.problems)
    yield from (f"  - {_plain(difference)}" for difference in service.differences)


def _about_prices(report: Report) -> Iterator[str]:
    guessed = (price for price in report.prices_used if price.match in GUESSED)
    yield from dict.fromkeys(
        f"{price.model} has the price of {price.priced_as} in {price.source} ({price.match})"
        for price in guessed
    )
    for agent, usd in sorted(report.cost_corrections_usd.items()):
        yield (
            f"{agent} costs {abs(usd):.4f} USD {'more' if usd > 0 else 'less'} at today's prices"
            " than its counters show; sessions and reports have today's prices"
        )
    for conflict in report.price_conflicts:
        yield _about_conflict(conflict)


def _about_conflict(conflict: PriceConflict) -> str:
    used, other = conflict.used, conflict.other
    return (
        f"{conflict.model} costs {_rates(used)} in {used.source} (used) "
        f"and {_rates(other)} in {other.source} (input/cached input/output, per million tokens)"
    )


def _rates(price: Price) -> str:
    rates = (price.input_usd, price.cache_read_usd, price.output_usd)
    return "/".join(f"${usd:g}" for usd in rates)
