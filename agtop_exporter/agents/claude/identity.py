"""Finds the response that a transcript line belongs to, and derives event keys of responses.

The API gives every response a random id. All lines of the response have this id. Copies of the
lines in forked and continued sessions have this id too, but they can lack the request id.

Routers and gateways write other ids: the same id for all responses, or numbers that start again in
every session. A response with such an id is identified by its first line: by the ids and the time
of the line, and also by its token counts if the line has no request id. Copies of the line have the
same ids, time and token counts.

Sources (GitHub repository and issue number): ccusage/ccusage 1635 and 1661, eltmon/overdeck 696
(repeated ids), pingdotgg/t3code 5619 (no message id), junhoyeo/tokscale 563 (no request id),
ccusage/ccusage 1762 (copies).
"""

import re
from collections import OrderedDict
from hashlib import blake2b
from zlib import crc32

from agtop_exporter.agents.claude.records import Message, Record, Usage, token_counts
from agtop_exporter.agents.claude.responses import Response, SessionRead
from agtop_exporter.agents.claude.state import TranscriptState
from agtop_exporter.model import SAME_EVENT_SECONDS
from agtop_exporter.reading.identifiers import is_random

# Maximum number of responses without a unique id whose next line may follow.
OPEN_RESPONSES = 4
REMEMBERED_LINES = 64  # maximum number of line digests of such responses
REMEMBERED_REQUESTS = 4  # maximum number of message ids with known request id
NEW_TIME = "1."  # prefix of versions that write copies with a new time and no request id

_OF_THE_API = re.compile(r"(?:msg|req)_(?:bdrk_|vrtx_)?01[0-9A-Za-z]{22}")


def is_unique(identifier: str) -> bool:
    """Return whether only one response can have an id: an id of the API, or another random id."""
    return bool(_OF_THE_API.fullmatch(identifier)) or is_random(identifier)


class Responses:
    """Collects the responses of one transcript, line by line.

    The order of the lines shows when a response without a unique id has ended. `save` stores the
    responses that have not ended, so that the next read can continue them. `main_chain` is false if
    the current line belongs to a subagent inside its parent's transcript.
    """

    def __init__(self, state: TranscriptState) -> None:
        self.main_chain = True
        self._open = OrderedDict(state.open)
        self._requests: OrderedDict[str, str] = OrderedDict()
        self._restored = dict(state.requests)
        self._lines: OrderedDict[int, None] = OrderedDict.fromkeys(state.lines)
        self._continued = state.latest
        self._latest: tuple[str, Response] | None = None  # ids of a response, and the response

    def save(self, state: TranscriptState) -> None:
        """Copy the data that the next read needs to `state`, the reader state of the transcript.

        The data are the responses that have not ended, the digests of their lines, the latest
        request ids, and the time of the latest response with a unique id.
        """
        for response in self._open.values():
            response.listed = False
        state.open = dict(self._open)
        state.lines = list(self._lines)
        if self._latest is not None:
            ids, latest = self._latest
            state.latest = _number(ids), latest.time
        requests = [*self._restored.items()]
        requests += [(_number(ids[0]), _number(ids[1])) for ids in self._requests.items()]
        state.requests = dict(requests[-REMEMBERED_REQUESTS:])

    def note_user(self, session: SessionRead, record: Record, *, is_result: bool) -> None:
        """Mark the unfinished responses of a session as followed by a tool result or by a prompt.

        `is_result` is true if `record` is a tool result, and false if it is a prompt. A prompt
        always ends a response, and a tool result can end it. Only responses without a unique id are
        marked.
        """
        for response in self._open.values():
            same_session = response.session_id == session.update.session_id
            same_chain = same_session and response.main_chain == self.main_chain
            if same_chain and not response.is_after(record.seconds):
                response.answered = response.answered or is_result
                if not (is_result or response.prompted):
                    response.prompted, response.prompted_at = True, record.seconds

    def time_of(self, record: Record, message: Message) -> float:
        """Return the time of a response that is new in this read, in unix seconds.

        `record` and `message` are its first line in this read. If it is the last response of the
        previous read, the time is the one of its first line there.
        """
        number, began = self._continued
        if not number:
            return record.seconds
        self._continued = 0, 0.0
        is_same = number == _number(f"{message.id or ''}:{record.request_id or ''}")
        return began if is_same else record.seconds

    def find(
        self, session: SessionRead, record: Record, message: Message, usage: Usage
    ) -> Response | None:
        """Return the response that a line belongs to; None if the line starts a new response.

        `record`, `message` and `usage` are the content of the line. If the line is older than the
        first known line of a response without a unique id, the response gets a new time and key,
        except if the time of the line is wrong: the lines of one response are close in time.
        """
        request_id = record.request_id
        name = message.id or request_id or ""
        response = session.by_id.get(name)
        if response is not None:
            if response.request_id == (request_id or ""):
                return response
            key = self._key(message.id or "", request_id or "")
            return response if response.key == key else None
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
            if response.time - record.seconds <= SAME_EVENT_SECONDS:
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
        """Add a new response to a session, and set the key of the response.

        `record` and `message` are the content of the first line of the response.
        """
        message_id, request_id = message.id or "", record.request_id or ""
        name = message_id or request_id
        response.listed = True
        session.responses.append(response)
        if is_unique(name):
            session.by_id[name] = response
            self._latest = f"{message_id}:{request_id}", response
            response.key = self._key(message_id, request_id)
            if not message_id:
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
        """Set the event keys of a response without a unique id.

        The keys are derived from the oldest known line of the response. `record`, `message` and
        `usage` are the content of this line.
        """
        message_id = message.id or ""
        name = message_id or record.request_id or ""
        older_key = _older_key(session, record, message, usage)
        key, *others = _first_line_digests(record, message_id, usage)
        response.key = f"{name or older_key}:{key}"
        response.other_keys = (*(f"{name}:{other}" for other in others), older_key)

    def is_repeated(self, record: Record, message: Message, usage: Usage) -> bool:
        """Return whether a line repeats an earlier line of a response without a unique id."""
        if not self._lines or not record.uuid or is_unique(message.id or record.request_id or ""):
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
        """Return the event key of a response with a unique message id, or else request id.

        The key is the unique id. A gateway can answer two requests with the same stored response.
        So the key also contains the request id if the first line with this message id has another
        request id.
        """
        if not (message_id and request_id):
            return message_id or request_id
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
    """Return digests that the first line of a response has in common with its copies.

    The first digest identifies the response. If the line has no request id, this digest includes
    the token counts of the line. Otherwise it does not, because a line can be written again with
    larger token counts. The second digest matches a copy if either only the line or only the copy
    has a request id.

    Some versions give copies a new time. Lines of these versions have one digest, which contains
    the UUID instead of the time.
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
    """Return a short hash of an id, to be stored in the reader state."""
    return crc32(identifier.encode(errors="replace"))
