"""gptme: reads the conversations in `<logs directory>/<conversation>/`.

A conversation has the files `conversation.jsonl`, `lossless.jsonl`, `branches/*.jsonl` and
`views/*.jsonl`. Undoing, editing and compacting rewrite a file and keep the earlier messages in
another one, and a fork copies the folder. The time of a message has microseconds and is the same in
all copies. See tests/agents/gptme/README.
"""

import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from agtop_exporter.agents import Agent, Environment, listed_roots, named_path, walk
from agtop_exporter.model import (
    NO_TOKENS,
    PROMPT_RANK,
    Batch,
    Cursor,
    Signal,
    TokenCounts,
    UsageEvent,
)
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.costs import picodollars
from agtop_exporter.reading.decoding import Count
from agtop_exporter.reading.file_group import FileGroup
from agtop_exporter.reading.files import read_head
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.outputs import whole_output
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import ReaderState
from agtop_exporter.signature import MCP_COMMANDS, ProcessSignature

NAME = "gptme"
LOGS = frozenset({"conversation.jsonl", "lossless.jsonl"})
FOLDERS = frozenset({"branches", "views"})  # with copies of a conversation
DESCRIPTION, DESCRIPTION_BYTES = "config.toml", 256 * 1024
TITLE_RANK = 3
OWN_TEXT = "<"  # start of a text that gptme itself sends as the user, such as `<system>`
KNOWN_TYPES = frozenset({"system", "user", "assistant"})  # roles


class Usage(msgspec.Struct, gc=False):
    """The usage of a request. The counts are disjoint, except that output includes reasoning."""

    input_tokens: Count | None = 0
    output_tokens: Count | None = 0
    cache_read_tokens: Count | None = 0
    cache_creation_tokens: Count | None = 0
    reasoning_tokens: Count | None = 0

    @property
    def tokens(self) -> TokenCounts:
        """The token counts. Cache writes have a lifetime of 5 minutes."""
        output = whole_output(self.output_tokens or 0, self.reasoning_tokens or 0)
        return TokenCounts(
            input=self.input_tokens or 0,
            cache_read=self.cache_read_tokens or 0,
            cache_write_5m=self.cache_creation_tokens or 0,
            output=output,
            reasoning=self.reasoning_tokens or 0,
        )


class Metadata(Usage, gc=False):
    """The metadata of a response. Before version 0.32, it has the members of the usage itself."""

    model: str | None = None
    cost: float | None = None  # in USD
    usage: Usage | None = None


class Message(msgspec.Struct, gc=False):
    """One line. `timestamp` is in the local time of the machine, without a time zone."""

    role: str = ""
    content: str | None = None
    timestamp: datetime | None = None
    hide: bool | None = None
    metadata: Metadata | None = None

    @property
    def seconds(self) -> float:
        """The time in unix seconds; 0 if unknown."""
        try:
            return max(0.0, self.timestamp.timestamp()) if self.timestamp else 0.0
        except (OSError, OverflowError, ValueError):  # outside the range of local times
            return 0.0

    @property
    def name(self) -> str:
        """The time as text, which is the same in all copies of the message; "" if unknown."""
        return self.timestamp.isoformat() if self.timestamp else ""


class LogState(ReaderState):
    """The reader state of one file."""

    model: str = ""  # of the latest response


class LogParser(RecordParser[Message, LogState]):
    """The parser of one file of a conversation."""

    record = Message
    state_type = LogState
    known_types = KNOWN_TYPES

    def __init__(self, batch: BatchBuilder, state: LogState) -> None:
        super().__init__(batch, state)
        folder = folder_of(Path(self.path))
        self.session = batch.session(folder.name, data_path=str(folder / "conversation.jsonl"))
        chat = description_of(folder)
        self.session.work_in(text_in(chat, "workspace"))
        self.session.set_title(text_in(chat, "name"), TITLE_RANK)
        _, model = divided(text_in(chat, "model"))
        self.session.model = state.model or model
        if model:
            self.name_model(folder.name, model)

    def feed(self, record: Message, _offset: int) -> None:
        """Process one message."""
        self.batch.unknown.observe(record.role)
        time = record.seconds
        if time and record.role != "system":  # the summary of a compaction precedes older messages
            self.session.observe_time(time)
        if record.role == "assistant":
            self.session.signal = Signal("idle", "", record.role)
            self._handle_response(record, time)
        elif record.role == "user":
            self.session.signal = Signal("running", "", record.role)
            self._handle_prompt(record, time)

    def _handle_response(self, record: Message, time: float) -> None:
        metadata = record.metadata
        tokens = (metadata.usage or metadata).tokens if metadata else NO_TOKENS
        if metadata is None or not tokens.total:
            return
        provider, model = divided(metadata.model or "")
        self.session.set_context_used(tokens.total)
        self.session.model = self.state.model = model = model or self.session.model
        self.add_response(
            UsageEvent(
                key=f"{record.name or self.session.session_id}:{tokens.prompt}:{tokens.output}",
                session_id=self.session.session_id,
                time=time,
                model=model,
                provider=provider,
                tokens=tokens,
                requests=1,
                reported_cost=picodollars(metadata.cost),
            )
        )

    def _handle_prompt(self, record: Message, time: float) -> None:
        text = record.content or ""
        if text.startswith(OWN_TEXT) or record.hide or not record.name:
            return
        self.session.set_title(text, PROMPT_RANK)
        key = f"prompt:{record.name}"
        self.batch.event(key, session_id=self.session.session_id, time=time, turns=1)


def folder_of(log: Path) -> Path:
    """Return the folder of the conversation to which a file belongs."""
    return log.parent.parent if log.parent.name in FOLDERS else log.parent


def description_of(folder: Path) -> dict[str, object]:
    """Return the table `chat` in the settings of a conversation; {} if they are unreadable."""
    try:
        text = read_head(folder / DESCRIPTION, DESCRIPTION_BYTES).decode()
        chat = tomllib.loads(text).get("chat")
    except (OSError, ValueError, RecursionError):
        return {}
    return chat if isinstance(chat, dict) else {}


def divided(name: str) -> tuple[str, str]:
    """Return the provider and the model in the name of a model, such as `openai/gpt-5.1`."""
    provider, slash, model = name.partition("/")
    return (provider, model) if slash else ("", name)


def log_group(path: str) -> FileGroup:
    """Return the paths whose changes show that a file or the settings of its conversation is new.

    gptme may write the settings after the last message.
    """
    return FileGroup(path, description=str(folder_of(Path(path)) / DESCRIPTION))


def text_in(table: dict[str, object], key: str) -> str:
    """Return a text in a table; "" if it has no such text."""
    value = table.get(key)
    return value if isinstance(value, str) else ""


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directories of conversations."""
    shared = environment.get("XDG_DATA_HOME")
    default = named_path(shared) / "gptme/logs" if shared else home / ".local/share/gptme/logs"
    on_macos = home / "Library/Application Support/gptme/logs"
    return listed_roots(environment, "GPTME_LOGS_HOME", default, on_macos)


def files(root: Path) -> Iterator[FileGroup]:
    """List the files of all conversations."""
    for entry in walk(root, suffix=".jsonl", depth=2):
        if entry.name in LOGS or Path(entry.path).parent.name in FOLDERS:
            yield log_group(entry.path)


def read(path: str, cursor: Cursor) -> Batch:
    """Read the messages after `cursor` in one file. Raises OSError."""
    now = log_group(path).cursor()
    batch = read_jsonl(NAME, LogParser, path, cursor)
    return replace(batch, cursor=replace(batch.cursor, mtime_ns=now.mtime_ns))


AGENT = Agent(
    name=NAME,
    title="gptme",
    roots=roots,
    files=files,
    read=read,
    signature=ProcessSignature(
        executables=frozenset({"gptme"}),
        modules=frozenset({"gptme"}),
        helpers=MCP_COMMANDS,
        resume_options=frozenset({"--name"}),
        session_id_pattern=r"\d{4}-\d\d-\d\d-[\w-]+",  # the default names
    ),
    known_types=KNOWN_TYPES,
    versions_seen=("0.35.1",),
    exact="tokens and cost of each response since version 0.31",
    not_in_files=(
        "requests of titles, summaries and subagents that keep no conversation, tool calls, "
        "the context window, rate limits"
    ),
)
