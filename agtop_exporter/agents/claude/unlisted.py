"""Counts the requests of a session that have no line in its transcript.

Examples are the requests for a title, for the summary of a compaction and for the safety monitor.
Since version 2.1.330, a record of the type `cost-state` has the tokens of all requests of a session
so far, by model: those with a line, those of its subagents, and the unlisted ones. A process writes
it when it ends, and when its session ends (`/clear`). The next process of the session continues the
sums. A process that is killed writes no sums, and its requests are missing in all later sums.

The sums minus the responses in the transcripts are therefore at most the usage of the unlisted
requests. This difference is counted only if the transcripts are complete (see `_is_complete`) and
if none of its token counts is negative. The ledger compares it with the counted usage of the
session (`UsageEvent.running_total`), so usage that the ledger has is not counted again.
"""

import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec.structs import astuple

from agtop_exporter.agents import walk
from agtop_exporter.agents.claude.context import LONG_CONTEXT_MARK
from agtop_exporter.agents.claude.records import Figures, Record
from agtop_exporter.agents.claude.responses import SessionRead
from agtop_exporter.agents.claude.sessions import SUBAGENTS
from agtop_exporter.agents.claude.state import TranscriptState
from agtop_exporter.agents.claude.tally import ModelTokens, Tally, add, total_of
from agtop_exporter.model import NO_TOKENS, Cursor, SessionUpdate, TokenCounts, UsageEvent
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import UNDECODABLE, Count, Errors, recoverer
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.reading.parsers import BlockParser

COST_STATE = "cost-state"  # type of the records with the sums
AGENT_TOOLS = frozenset({"Agent", "Task", "Skill"})  # tools that can start a subagent
UNKNOWN_TIER = "unknown"  # service tier of requests whose price is unknown
FINISHED = frozenset({"idle", "error", "ended"})  # activities of a finished subagent
SUFFIX = ".jsonl"
PREFIX = "agent-"  # of the transcripts of subagents
FOLDER_DEPTH = 8  # levels below the folder of subagents
# An unfinished subagent may have a response in the sums whose line is written later, and after
# `/clear` in the folder of the next session. After this time, such a line is no longer expected.
OPEN_SECONDS = 3600
HEAD_LINES = 64  # number of lines in which the first message of a transcript is searched
HEAD_BYTES = 1 << 20  # maximum length of one of these lines


class _ModelSum(msgspec.Struct, rename="camel"):
    """The sums of one model in a `cost-state` record."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_read_input_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    cache_creation_ephemeral_1h: Count = msgspec.field(
        default=0, name="cacheCreationEphemeral1hInputTokens"
    )

    @property
    def tokens(self) -> TokenCounts:
        """The sums as token counts that do not overlap."""
        one_hour = self.cache_creation_ephemeral_1h
        written = max(self.cache_creation_input_tokens, one_hour)
        return TokenCounts(
            self.input_tokens,
            self.cache_read_input_tokens,
            written - one_hour,
            one_hour,
            self.output_tokens,
        )


class _Result(msgspec.Struct, rename="camel"):
    """The result of a tool that can start a subagent."""

    agent_id: str | None = None


class _Head(msgspec.Struct, rename="camel"):
    """The fields of a record that show whether an earlier record exists."""

    uuid: str | None = None
    parent_uuid: str | None = None
    logical_parent_uuid: str | None = None


class _CostState(msgspec.Struct):
    """A `cost-state` record, with the usage in the transcript before it."""

    time: float  # of the record before it, in unix seconds
    sums: ModelTokens
    counted: ModelTokens


_decode_sums = msgspec.json.Decoder(dict[str, _ModelSum]).decode
_decode_result = msgspec.json.Decoder(_Result).decode
_decode_head = msgspec.json.Decoder(_Head).decode


class UnlistedRequests:
    """Collects the `cost-state` records of one read of a transcript, and what limits their use.

    `parser` is the type of the parsers of transcripts.
    """

    def __init__(
        self,
        batch: BatchBuilder,
        state: TranscriptState,
        parser: type[BlockParser[Record, TranscriptState]],
    ) -> None:
        if state == TranscriptState():
            state.tally = Tally()  # nothing was read before
        self._agent, self._path = batch.agent, Path(batch.path)
        self._tally = state.tally
        self._parser = parser
        self._records: list[_CostState] = []
        self._confirmed = 0  # number of the records that a prompt follows
        self._open_since = 0.0  # latest time of a record of an unfinished subagent, unix seconds

    def mark_incomplete(self) -> None:
        """Note that a response lacks its usage, so the sums cannot be used."""
        if self._tally is not None:
            self._tally.complete = False

    def note_response(self, usage: Figures, *, copied: bool) -> None:
        """Note a response: whether it is a copy, and what changes its price.

        If no prompt is between the sums and a response, the response may have been written late,
        and the sums may include it. They are not used then.
        """
        tally = self._tally
        if tally is not None:
            del self._records[self._confirmed :]
            if copied or len(tally.prompts) > 1:
                tally.complete = False
            tally.answered = True
            tally.prompts.clear()
            tally.special = tally.special or bool(usage.price_tier or usage.region)

    def note_prompt(self, prompt_id: str) -> None:
        """Note a prompt.

        If the first prompt has no response, the transcript may be a fork that has only copied
        prompts. Such a copy has no mark.
        """
        self._confirmed = len(self._records)
        if self._tally is not None and not self._tally.answered:
            self._tally.prompts.add(prompt_id)

    def note_result(self, tool: str, result: msgspec.Raw) -> None:
        """Store the id of the subagent in the result of a tool."""
        if self._tally is None or tool not in AGENT_TOOLS:
            return
        try:
            agent_id = _decode_result(result).agent_id
        except UNDECODABLE:
            return
        if agent_id and agent_id not in self._tally.agents:
            self._tally.agents.append(agent_id)

    def note_sums(
        self, record: Record, time: datetime | None, sessions: Iterable[SessionRead]
    ) -> None:
        """Store a `cost-state` record.

        `time` is the time of the record before it. `sessions` have the responses of this read so
        far.
        """
        is_own = record.session_id == self._path.name.removesuffix(SUFFIX)
        if self._tally is None or not self._tally.complete or not is_own:
            return
        sums: ModelTokens = {}
        try:
            for model, each in _decode_sums(record.model_usage).items():
                add(sums, model.removesuffix(LONG_CONTEXT_MARK), each.tokens)
        except UNDECODABLE:
            return
        events = (event for session in sessions for event in session.events(session.totals()))
        counted = self._tally.with_events(events)
        self._records.append(_CostState(time.timestamp() if time else 0.0, sums, counted))

    def finish(self, events: list[UsageEvent]) -> list[UsageEvent]:
        """Add the responses of this read to the tally. Return the events of unlisted requests."""
        tally = self._tally
        if tally is None:
            return []
        tally.add_events(events)
        if not self._records or not self._is_complete(tally):
            return []
        return [event for record in self._records for event in self._unlisted(record, tally)]

    def _unlisted(self, record: _CostState, tally: Tally) -> Iterator[UsageEvent]:
        """Yield the events of the requests that are not counted yet. Update the tally."""
        if self._open_since and self._open_since > record.time - OPEN_SECONDS:
            return
        known = dict(record.counted)
        for usage in (tally.subagents, tally.unlisted):
            for model, tokens in usage.items():
                add(known, model, tokens)
        room = total_of(record.sums) - total_of(known)
        if min(astuple(room)) < 0:
            return
        session_id = self._path.name.removesuffix(SUFFIX)
        for model, sums in sorted(record.sums.items()):
            tokens = (sums - known.get(model, NO_TOKENS)).max(NO_TOKENS).min(room)
            if tokens == NO_TOKENS:
                continue
            room -= tokens
            add(tally.unlisted, model, tokens)
            counted = tally.counted.get(model, NO_TOKENS) + tally.unlisted[model]
            yield UsageEvent(
                f"{COST_STATE}:{session_id}:{model}:{_digest(record.sums)}",
                session_id,
                record.time,
                model,
                tokens,
                speed=UNKNOWN_TIER if tally.special else "",
                running_total=(0, counted),
            )

    def _is_complete(self, tally: Tally) -> bool:
        """Return whether all responses in the sums that have a line are known.

        This is so if the transcript has its first message, no copies and no response without
        usage, and if all its subagents have transcripts. Update the usage of the subagents.
        """
        if not tally.complete:
            return False
        try:
            subagents = self._subagents(tally.agents)
            if subagents is None or not has_first_message(self._path):
                return False
        except OSError:
            return False
        for model, tokens in subagents.items():
            tally.subagents[model] = tokens.max(tally.subagents.get(model, NO_TOKENS))
        return True

    def _subagents(self, ids: list[str]) -> ModelTokens | None:
        """Return the usage in the transcripts of the session's subagents.

        Returns None if one of the subagents `ids` has no transcript. Raises OSError. Set
        `_open_since`.
        """
        events: dict[str, UsageEvent] = {}
        found = set()
        self._open_since = 0.0
        folder = self._path.with_suffix("") / SUBAGENTS
        for entry in walk(folder, suffix=SUFFIX, depth=FOLDER_DEPTH):
            name = entry.name.removesuffix(SUFFIX)
            if not name.startswith(PREFIX):
                continue
            found.add(name.removeprefix(PREFIX))
            cursor, more, update = Cursor(), True, SessionUpdate(session_id="")
            while more:
                batch = read_jsonl(self._agent, self._parser, entry.path, cursor)
                cursor, more = batch.cursor, batch.more
                for event in batch.events:
                    tokens = events.get(event.key, event).tokens.merged(event.tokens)
                    events[event.key] = msgspec.structs.replace(event, tokens=tokens)
                update = next((each for each in batch.sessions if each.signal), update)
            if update.signal.kind not in FINISHED:
                self._open_since = max(self._open_since, update.last_active or math.inf)
        if not found.issuperset(ids):
            return None
        usage: ModelTokens = {}
        for event in events.values():
            add(usage, event.model, event.tokens)
        return usage


def has_first_message(path: Path) -> bool:
    """Return whether a transcript has the first message of its session. Raises OSError."""
    recover = recoverer(_Head, Errors(str(path)))
    with path.open("rb") as file:
        for _ in range(HEAD_LINES):
            line = memoryview(file.readline(HEAD_BYTES))
            try:
                heads = [_decode_head(line)]
            except UNDECODABLE:
                heads = [head for head, _ in recover(line, 0)]
            for head in heads:
                if head.uuid:
                    return head.parent_uuid is None and head.logical_parent_uuid is None
    return False


def _digest(sums: ModelTokens) -> str:
    text = repr(sorted((model, astuple(tokens)) for model, tokens in sums.items()))
    return blake2b(text.encode(errors="replace"), digest_size=6).hexdigest()
