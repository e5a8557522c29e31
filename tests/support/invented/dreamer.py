"""Dreamer: `~/.dreamer/sessions/<session id>.jsonl`, one session per file.

The smallest complete agent, which is invented. To add a real one, follow "Add an agent" in
README.md and begin with a copy of this file.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import Agent, Environment, listed_roots, walk
from agtop_exporter.model import Batch, Cursor, TokenCounts
from agtop_exporter.reading.decoding import Count, Moment
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState
from agtop_exporter.signature import UUID, ProcessSignature, RegistryEntry, RegistryReading

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


class TranscriptParser(RecordParser[Record, NoState]):
    """Turns the records of one transcript into events and one session update."""

    record = Record
    state_type = NoState
    known_types = KNOWN_TYPES

    def feed(self, record: Record, _offset: int) -> None:
        """Use one record."""
        time = record.time.timestamp() if record.time else 0.0
        session = self.batch.session(Path(self.path).stem)
        if time:
            session.observe_time(time)
        self.batch.unknown.observe(record.type)
        if record.type == "session":
            session.work_in(record.cwd)
        elif record.type == "response":
            session.model = record.model
            self.batch.event(
                record.id,
                session_id=session.session_id,
                time=time,
                model=record.model,
                tokens=TokenCounts(input=record.input_tokens, output=record.output_tokens),
                requests=1,
            )


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of the transcripts."""
    return listed_roots(environment, "DREAMER_HOME", home / ".dreamer", below="sessions")


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the transcripts."""
    return walk(root, suffix=".jsonl", depth=0)


def read(path: str, cursor: Cursor) -> Batch:
    """Read what is new in one transcript. Raises OSError."""
    return read_jsonl(NAME, TranscriptParser, path, cursor)


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
    exact="tokens of each response",
    not_in_files="dreams that nobody remembers",
)
