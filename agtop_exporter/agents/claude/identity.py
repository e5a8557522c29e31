"""Assigns lines to responses, and responses to event keys.

The API gives every response a random id. All lines of the response have it, and so do its copies in
forked and continued sessions, with or without the request id.

Routers and gateways write other ids: the same id for all responses, or numbers that start again in
every session. Such a response is identified by properties of its first line: its ids, its time, and
also its figures if it has no request id. Copies of that line have the same properties.

Sources: ccusage/ccusage 1635 and 1661, eltmon/overdeck 696 (repeated ids), pingdotgg/t3code 5619
(no message id), junhoyeo/tokscale 563 (no request id), ccusage/ccusage 1762 (copies).
"""

import re
from collections import OrderedDict
from hashlib import blake2b
from zlib import crc32

from agtop_exporter.agents.claude.records import Message, Record, Usage, token_counts
from agtop_exporter.agents.claude.responses import Response, SessionRead
from agtop_exporter.agents.claude.state import TranscriptState

RANDOM_RUNS = 8  # minimum number of runs of digits, capitals or small letters in a random id
# responses without a unique id that are kept, because their next line may follow
OPEN_RESPONSES = 4
REMEMBERED_LINES = 64  # line digests of such responses that are kept
REMEMBERED_REQUESTS = 4  # message ids that are kept, with the request id of their first line
NEW_TIME = "1."  # versions that give copies a new time, and remove their request id

_OF_THE_API = re.compile(r"(?:msg|req)_(?:bdrk_|vrtx_)?01[0-9A-Za-z]{22}")
_RUNS = re.compile(r"[0-9]+|[a-z]+|[A-Z]+")


def is_random(identifier: str) -> bool:
    """Return whether an id looks random, so that only one response can have it."""
    if _OF_THE_API.fullmatch(identifier):
        return True
    return len(_RUNS.findall(identifier)) >= RANDOM_RUNS


class Responses:
    """The responses of one transcript, built line by line.

    The order of lines shows when a response without a unique id has ended. Responses that have not
    ended are kept in the state for the next read. `main_chain` is as in the parser.
    """

    def __init__(self, state: TranscriptState) -> None:
        self.main_chain = True
        self._open = OrderedDict(state.open)
        self._requests: OrderedDict[str, str] = OrderedDict()
        self._restored = dict(state.requests)
        self._lines: OrderedDict[int, None] = OrderedDict.fromkeys(state.lines)

    def save(self, state: TranscriptState) -> None:
        """Store the responses that have not ended in the state of the transcript."""
        for response in self._open.values():
            response.listed = False
        state.open = dict(self._open)
        state.lines = list(self._lines)
        requests = [*self._restored.items()]
        requests += [(_number(ids[0]), _number(ids[1])) for ids in self._requests.items()]
        state.requests = dict(requests[-REMEMBERED_REQUESTS:])

    def note_user(self, session: SessionRead, record: Record, *, is_result: bool) -> None:
        """Handle a tool result or a prompt, which ends a response or may have ended it."""
        for response in self._open.values():
            same_session = response.session_id == session.update.session_id
            same_chain = same_session and response.main_chain == self.main_chain
            if same_chain and not response.is_after(record.seconds):
                response.answered = response.answered or is_result
                if not (is_result or response.prompted):
                    response.prompted, response.prompted_at = True, record.seconds

    def find(
        self, session: SessionRead, record: Record, message: Message, usage: Usage
    ) -> Response | None:
        """Return the response that a line belongs to; None if the line starts a response."""
        request_id = record.request_id
        name = message.id or request_id or ""
        response = session.by_id.get(name)
        if response is not None:
            same = response.request_id == request_id or response.may_have(request_id)
            return response if same else None
        if not self._open:
            return None
        response = self._open.get(self._open_name(session, name))
        if response is None or not response.is_continued_by(
            request_id, usage, record.seconds, has_id=bool(name)
        ):
            return None
        if response.is_after(record.seconds):
            if usage.prompt != response.usage.prompt:
                return None
            counted_as = response.key
            self._name_by_first_line(session, record, message, response, usage)
            response.time = record.seconds
            response.other_keys += (counted_as,)
        response.answered = False
        self._remember_line(record, usage)
        if not response.listed:
            response.listed = True
            session.responses.append(response)
        return response

    def add(
        self, session: SessionRead, record: Record, message: Message, response: Response
    ) -> None:
        """Add a response from its first line, and set its key."""
        message_id, request_id = message.id or "", record.request_id or ""
        name = message_id or request_id
        response.listed = True
        session.responses.append(response)
        if is_random(name):
            session.by_id[name] = response
            if message_id:
                response.key = self._key(message_id, request_id)
            else:
                response.key = request_id
                response.other_keys = (record.uuid,) if record.uuid else ()
        else:
            self._name_by_first_line(session, record, message, response, response.usage)
            self._open_response(session, name, response)
            self._remember_line(record, response.usage)

    def _name_by_first_line(
        self,
        session: SessionRead,
        record: Record,
        message: Message,
        response: Response,
        usage: Usage,
    ) -> None:
        """Set the keys of a response without a unique id by its first line, the oldest one."""
        message_id = message.id or ""
        name = message_id or record.request_id or ""
        older_key = _older_key(session, record, message, usage)
        key, *others = _first_line_digests(record, message_id, usage)
        response.key = f"{name or older_key}:{key}"
        response.other_keys = (*(f"{name}:{other}" for other in others), older_key)

    def is_repeated(self, record: Record, message: Message, usage: Usage) -> bool:
        """Return whether a line of a response without a unique id repeats an earlier line."""
        if not self._lines or not record.uuid or is_random(message.id or record.request_id or ""):
            return False
        return _line_number(record, usage) in self._lines

    def _remember_line(self, record: Record, usage: Usage) -> None:
        self._lines[_line_number(record, usage)] = None
        if len(self._lines) > REMEMBERED_LINES:
            self._lines.popitem(last=False)

    def _open_response(self, session: SessionRead, name: str, response: Response) -> None:
        place = self._open_name(session, name)
        self._open[place] = response
        self._open.move_to_end(place)
        if len(self._open) > OPEN_RESPONSES:
            self._open.popitem(last=False)

    def _open_name(self, session: SessionRead, name: str) -> str:
        return f"{session.update.session_id}\0{self.main_chain:d}\0{name}"

    def _key(self, message_id: str, request_id: str) -> str:
        """Return the key of a response with a unique message id.

        A gateway can answer two requests with the same stored response. If the request id is not
        the one of the message's first line, the key includes it.
        """
        if not request_id:
            return message_id
        if self._restored and (known := self._restored.get(_number(message_id))) is not None:
            same = known == _number(request_id)
        else:
            same = self._requests.setdefault(message_id, request_id) == request_id
            if len(self._requests) + len(self._restored) > REMEMBERED_REQUESTS:
                self._forget_request()
        return message_id if same else f"{message_id}:{request_id}"

    def _forget_request(self) -> None:
        if self._restored:
            del self._restored[next(iter(self._restored))]
        else:
            self._requests.popitem(last=False)


def _older_key(session: SessionRead, record: Record, message: Message, usage: Usage) -> str:
    """Return the key that earlier versions of this program gave to a response."""
    if message.id or record.uuid:
        return message.id or record.uuid or ""
    return f"{session.update.session_id}:{record.timestamp}:{token_counts(usage)}"


def _first_line_digests(record: Record, message_id: str, usage: Usage) -> list[str]:
    """Return digests that the first line of a response shares with its copies.

    The first digest is the identity of the response. The others match copies with or without a
    request id. Figures are part of a digest only if there is no request id, because a line can be
    written again with larger figures.
    """
    figures = token_counts(usage)
    if _gets_new_time(record):
        return [_digest(message_id, record.uuid, figures)]
    by_time = _digest(message_id, record.timestamp)
    by_figures = _digest(message_id, record.timestamp, figures)
    return [by_time, by_figures] if record.request_id else [by_figures, by_time]


def _digest(*parts: object) -> str:
    return blake2b(repr(parts).encode(errors="replace"), digest_size=6).hexdigest()


def _gets_new_time(record: Record) -> bool:
    return (record.version or "").startswith(NEW_TIME)


def _line_number(record: Record, usage: Usage) -> int:
    return _number(f"{record.uuid}{record.timestamp}{token_counts(usage)}")


def _number(identifier: str) -> int:
    """Return a short hash of an id, for the state."""
    return crc32(identifier.encode(errors="replace"))
