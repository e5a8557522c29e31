"""Dreamer: `~/.dreamer/sessions/<session id>.jsonl`, one session per file.

An invented agent, as small as an agent can be. To add a real one, follow "Add an agent" in
README.md and begin with a copy of this file.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import Agent, Environment, listed_roots, walk
from agtop_exporter.decoding import Count, Errors, Moment
from agtop_exporter.drift import UnknownTypes
from agtop_exporter.model import Batch, Cursor, SessionUpdate, TokenCounts, UsageEvent
from agtop_exporter.signature import UUID, ProcessSignature, RegistryEntry, RegistryReading
from agtop_exporter.tail import LineReader, use_each

NAME = "dreamer"
KNOWN_TYPES = frozenset({"session", "response"})


class Record(msgspec.Struct, rename="camel"):
    """One line of a transcript."""

    type: str = ""
    id: str = ""
    time: Moment | None = None
    cwd: str | None = None
    model: str = ""
    input_tokens: Count = 0
    output_tokens: Count = 0


class Reader:
    """Turns the records of one transcript into events and one session update."""

    def __init__(self, path: str) -> None:
        self.events: list[UsageEvent] = []
        self.unknown = UnknownTypes(KNOWN_TYPES)
        self.session = SessionUpdate(session_id=Path(path).stem, data_path=path)

    def feed(self, record: Record, _offset: int) -> None:
        """Use one record."""
        time = record.time.timestamp() if record.time else 0.0
        if time:
            self.session.seen(time)
        self.unknown.see(record.type)
        if record.type == "session":
            self.session.work_in(record.cwd)
        elif record.type == "response":
            self.session.model = record.model
            self.events.append(
                UsageEvent(
                    key=record.id,
                    session_id=self.session.session_id,
                    time=time,
                    model=record.model,
                    tokens=TokenCounts(input=record.input_tokens, output=record.output_tokens),
                    requests=1,
                )
            )


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of the transcripts."""
    return listed_roots(environment, "DREAMER_HOME", home / ".dreamer", below="sessions")


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the transcripts."""
    return walk(root, suffix=".jsonl", depth=0)


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one transcript. Raises OSError."""
    errors, reader = Errors(path), Reader(path)
    with LineReader(path, cursor) as lines:
        records = use_each(lines, Record, errors, reader.feed)
        return lines.batch(
            NAME,
            errors=errors,
            records=records,
            events=reader.events,
            sessions=(reader.session,) if records else (),
            unknown=reader.unknown,
        )


def live_registry(home: Path, environment: Environment) -> RegistryReading:
    """Return the processes of `live/<pid>`, files that hold a session id. Never raises OSError."""
    entries = []
    for root in roots(home, environment):
        for entry in walk(root.parent / "live", suffix="", depth=0):
            session_id, start = Path(entry.path).read_text(encoding="utf-8").split()
            entries.append(
                RegistryEntry(NAME, int(entry.name), session_id, started_at=float(start))
            )
    return RegistryReading(tuple(entries))


def plan(home: Path, environment: Environment) -> str:
    """Return the plan of the account."""
    plans = (root.parent / "plan" for root in roots(home, environment))
    return next((path.read_text(encoding="utf-8") for path in plans if path.is_file()), "")


AGENT = Agent(
    name=NAME,
    title="Dreamer",
    roots=roots,
    files=files,
    read=read,
    aliases=("dream-code",),
    signature=ProcessSignature(
        executables=frozenset({"dreamer"}),
        helpers=(("mcp",),),
        resume_options=frozenset({"--resume"}),
        session_id_pattern=f"dream-{UUID}",
    ),
    live_registry=live_registry,
    plan=plan,
    plan_covers=frozenset({"max"}),
    known_types=KNOWN_TYPES,
    not_in_files="dreams that nobody remembers",
)
