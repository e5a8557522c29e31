"""Reads the chats of the first versions of Qwen Code, `tmp/<hash>/chats/session-*.json`.

A chat is one JSON document, which is rewritten with every message. It does not contain the working
directory; `<hash>` is the SHA-256 of the directory. A session can have more than one chat.
"""

import msgspec

from agtop_exporter.agents.qwen.records import Usage, token_counts
from agtop_exporter.model import PROMPT_RANK, SessionUpdate
from agtop_exporter.reading.decoding import Count, Moment
from agtop_exporter.reading.parsers import RecordParser
from agtop_exporter.reading.state import NoState

ANSWER, PROMPT = "qwen", "user"
KNOWN_TYPES = frozenset({ANSWER, PROMPT})


class Tokens(msgspec.Struct, gc=False):
    """The token counts of one response. `input` includes `cached`."""

    input: Count | None = 0
    output: Count | None = 0
    cached: Count | None = 0
    thoughts: Count | None = 0
    tool: Count | None = 0
    total: Count | None = 0

    @property
    def usage(self) -> Usage:
        """The token counts as a `Usage`, the type of the token counts in newer transcripts."""
        return Usage(
            prompt_token_count=self.input,
            tool_use_prompt_token_count=self.tool,
            cached_content_token_count=self.cached,
            candidates_token_count=self.output,
            thoughts_token_count=self.thoughts,
            total_token_count=self.total,
        )


class Message(msgspec.Struct, gc=False):
    """One message: a prompt, or the text of a response with its token counts."""

    id: str = ""
    timestamp: Moment | None = None
    type: str = ""
    content: object = None
    tokens: Tokens | None = None
    model: str | None = None


class Chat(msgspec.Struct, gc=False, rename="camel"):
    """One chat with all its messages."""

    session_id: str = ""
    start_time: Moment | None = None
    last_updated: Moment | None = None
    messages: list[Message] | None = None


class ChatParser(RecordParser[Chat, NoState]):
    """The parser of a chat."""

    record = Chat
    state_type = NoState
    known_types = KNOWN_TYPES

    def feed(self, record: Chat, offset: int) -> None:
        """Process the document; each of its messages counts as a record."""
        batch = self.batch
        if not record.session_id:
            batch.error("schema", offset)
            return
        session = batch.session(record.session_id)
        for moment in (record.start_time, record.last_updated):
            if moment is not None:
                session.observe_time(moment.timestamp())
        messages = record.messages or ()
        for index, message in enumerate(messages):
            batch.unknown.observe(message.type)
            if message.timestamp is not None:
                session.observe_time(message.timestamp.timestamp())
            if message.type == PROMPT and isinstance(message.content, str):
                session.set_title(message.content, PROMPT_RANK)
            if message.type == ANSWER and message.tokens is not None:
                key = message.id or f"{self.path}:{index}"
                self._add_response(session, message, message.tokens.usage, key)
        batch.records = len(messages)

    def _add_response(
        self, session: SessionUpdate, message: Message, usage: Usage, key: str
    ) -> None:
        session.model = message.model or session.model
        session.set_context_used(usage.total_token_count or 0)
        self.batch.event(
            key,
            session_id=session.session_id,
            time=message.timestamp.timestamp() if message.timestamp else session.started_at or 0.0,
            model=session.model,
            tokens=token_counts(usage),
            requests=1,
        )
