"""OpenHands: reads `~/.openhands/conversations/<id>/base_state.json`, one per conversation.

The document has the usage of every response of a conversation and of the agents to which it
delegated work. The format is that of the OpenHands SDK of August 2026; see
tests/agents/openhands/README.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import Agent, Environment, listed_roots, named_files
from agtop_exporter.model import Batch, Cursor, SessionUpdate, Signal, TokenCounts, UsageEvent
from agtop_exporter.reading.costs import picodollars
from agtop_exporter.reading.decoding import Count
from agtop_exporter.reading.documents import read_document
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState
from agtop_exporter.signature import MAINTENANCE_COMMANDS, MCP_COMMANDS, ProcessSignature

NAME = "openhands"
DOCUMENT = "base_state.json"
MAIN = "agent"  # the usage id of the conversation's own model
OTHER_AGENTS = "ACPAgent"  # kind of an agent that runs another program, such as Claude Code
SIGNALS = {  # by the execution status of a conversation
    "idle": Signal("idle", "", "idle"),
    "running": Signal("running", "", "running"),
    "paused": Signal("idle", "", "paused"),
    "waiting_for_confirmation": Signal("waiting", "permission", "waiting_for_confirmation"),
    "finished": Signal("idle", "", "finished"),
    "error": Signal("error", "error", "error"),
    "stuck": Signal("error", "stuck", "stuck"),
    "deleting": Signal("idle", "", "deleting"),
}
KNOWN_TYPES = frozenset(SIGNALS)


class Usage(msgspec.Struct, gc=False):
    """The usage of a response. `prompt_tokens` includes the cached tokens."""

    model: str = ""
    prompt_tokens: Count | None = 0
    completion_tokens: Count | None = 0
    cache_read_tokens: Count | None = 0
    cache_write_tokens: Count | None = 0
    reasoning_tokens: Count | None = 0
    context_window: Count | None = None
    response_id: str = ""

    @property
    def tokens(self) -> TokenCounts:
        """Disjoint token counts. Cache writes have a lifetime of 5 minutes."""
        read, written = self.cache_read_tokens or 0, self.cache_write_tokens or 0
        output = self.completion_tokens or 0
        return TokenCounts(
            input=max(0, (self.prompt_tokens or 0) - read - written),
            cache_read=read,
            cache_write_5m=written,
            output=output,
            reasoning=min(output, self.reasoning_tokens or 0),
        )


class Cost(msgspec.Struct, gc=False):
    """The cost of a response in USD, and its time in unix seconds."""

    cost: float | None = None
    timestamp: float | None = None


class Metrics(msgspec.Struct):
    """The responses of one model. A response without a known price has no cost."""

    model_name: str = ""
    costs: list[Cost] | None = None
    token_usages: list[Usage] | None = None

    @property
    def responses(self) -> Iterator[tuple[Usage, Cost]]:
        """The usage and the cost of each response.

        All costs are unknown if the number of costs differs from the number of responses.
        """
        usages, costs = self.token_usages or [], self.costs or []
        known = costs if len(costs) == len(usages) else [Cost()] * len(usages)
        return zip(usages, known, strict=True)


class Stats(msgspec.Struct):
    """The responses of a conversation by usage id, such as `agent`, `condenser` or `task:1`."""

    usage_to_metrics: dict[str, Metrics] | None = None


class Model(msgspec.Struct):
    """The settings of a model. Other settings, such as keys, are not decoded."""

    model: str | None = None


class Program(msgspec.Struct):
    """The agent of a conversation."""

    kind: str | None = None
    llm: Model | None = None


class Workspace(msgspec.Struct):
    """The workspace of a conversation."""

    working_dir: str | None = None


class Conversation(msgspec.Struct):
    """The document `base_state.json`."""

    id: str | None = None
    agent: Program | None = None
    workspace: Workspace | None = None
    execution_status: str | None = None
    stats: Stats | None = None


class ConversationParser(RecordParser[Conversation, NoState]):
    """The parser of one conversation."""

    record = Conversation
    state_type = NoState
    known_types = KNOWN_TYPES

    def feed(self, record: Conversation, offset: int) -> None:
        """Process the document; each response counts as a record."""
        session = self.batch.session(record.id or Path(self.path).parent.name)
        if not session.work_in(record.workspace.working_dir if record.workspace else None):
            self.batch.error("schema", offset)
        program = record.agent or Program()
        session.model = (program.llm.model if program.llm else None) or ""
        if record.execution_status:
            self.batch.unknown.observe(record.execution_status)
            session.signal = SIGNALS.get(record.execution_status, Signal())
        if program.kind == OTHER_AGENTS:
            return
        metrics = (record.stats.usage_to_metrics if record.stats else None) or {}
        for usage_id, each in metrics.items():
            for index, (usage, cost) in enumerate(each.responses):
                self._add_response(session, f"{usage_id}:{index}", usage, cost, each.model_name)
            self._set_context(session, usage_id, each)
        self.batch.records = max(1, len(self.batch.events))

    def _add_response(
        self, session: SessionUpdate, place: str, usage: Usage, cost: Cost, model: str
    ) -> None:
        tokens, time = usage.tokens, cost.timestamp or 0.0
        session.observe_time(time or self.batch.modified_at)
        if not tokens.total:
            return
        # A copy of a conversation has the ids and the figures of its original. The list of an agent
        # that works for the conversation is built again, so its positions change.
        origin = usage.response_id or f"{session.session_id}:{place}"
        earlier = f"{usage.response_id or session.session_id}:{place}"  # in earlier versions
        figures = f"{usage.prompt_tokens}:{usage.completion_tokens}"
        self.batch.events.append(
            UsageEvent(
                key=f"{origin}:{figures}",
                other_keys=(f"{earlier}:{figures}",),
                session_id=session.session_id,
                time=time or self.batch.modified_at,
                model=usage.model or model or session.model,
                tokens=tokens,
                requests=1,
                reported_cost=picodollars(cost.cost),
            )
        )

    def _set_context(self, session: SessionUpdate, usage_id: str, metrics: Metrics) -> None:
        if usage_id != MAIN:
            return
        for usage in metrics.token_usages or ():
            session.set_context_used(usage.tokens.total)
            session.context_window_tokens = usage.context_window or session.context_window_tokens


def roots(home: Path, environment: Environment) -> tuple[Path, ...]:
    """Return the directory of conversations."""
    settings = listed_roots(environment, "OPENHANDS_PERSISTENCE_DIR", home / ".openhands")
    default = (base / "conversations" for base in settings)
    return listed_roots(environment, "OPENHANDS_CONVERSATIONS_DIR", *default)


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the documents of all conversations."""
    return named_files(root, DOCUMENT, depth=1)


def read(path: str, cursor: Cursor) -> Batch:
    """Read one conversation if it has changed since `cursor`. Raises OSError."""
    return read_document(NAME, ConversationParser, path, cursor)


AGENT = Agent(
    name=NAME,
    title="OpenHands",
    roots=roots,
    files=files,
    read=read,
    signature=ProcessSignature(
        executables=frozenset({"openhands"}),
        modules=frozenset({"openhands_cli"}),
        helpers=(*MCP_COMMANDS, *MAINTENANCE_COMMANDS),
        hosts=(("serve",), ("acp",), ("web",)),
        resume_options=frozenset({"--resume"}),
        session_id_pattern=r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}",
    ),
    known_types=KNOWN_TYPES,
    versions_seen=("SDK 1.58.2",),
    exact="tokens and cost of each response",
    not_in_files=(
        "times and costs of responses if a response has no known price, turns, tool calls, "
        "usage of other agents that it runs, rate limits"
    ),
)
