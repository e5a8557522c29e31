"""Creates the document of a Copilot Chat session from a log of changes.

The log starts with the whole document. Each further line sets, appends or deletes a value in the
document:
https://github.com/microsoft/vscode/blob/main/src/vs/workbench/contrib/chat/common/model/objectMutationLog.ts

Nothing here does I/O.
"""

from functools import cache
from typing import TypeVar, cast
from zlib import crc32

import msgspec

from agtop_exporter.agents.copilot.document import Chat, Shared
from agtop_exporter.reading.batch import BatchBuilder
from agtop_exporter.reading.decoding import Decode, Number, decoder
from agtop_exporter.reading.state import ReaderState

INITIAL, SET, PUSH, DELETE = range(4)  # kinds of changes
REQUEST_DEPTH = 2  # the length of the path of one request
KNOWN_TYPES = frozenset(f"change.{kind}" for kind in (INITIAL, SET, PUSH, DELETE))

S = TypeVar("S", bound=Shared)
Path = list[str | int]
"""The member names and list indexes that lead from a document to a value."""


class Change(msgspec.Struct, gc=False):
    """One change, which is a line of the log.

    `kind` is INITIAL, SET, PUSH or DELETE. `k` is the path of the changed value. `v` is the new
    value, or the items that PUSH appends to a list. `i` is the length to which PUSH first cuts the
    list.
    """

    kind: Number | None = None
    k: Path | None = None
    v: msgspec.Raw = msgspec.Raw()
    i: Number | None = None

    def replaced_requests(self, count: int) -> range:
        """Return the indexes of the requests that this change may remove or replace.

        `count` is the number of requests in the document. A request with a replaced result is
        included.
        """
        path = self.k or []
        if self.kind == INITIAL:
            return range(count)
        if path == ["requests"]:
            kept = count if self.i is None else max(0, self.i)
            return range(kept if self.kind == PUSH else 0, count)
        is_whole = len(path) == REQUEST_DEPTH or path[REQUEST_DEPTH:] == ["result"]
        if is_whole and path[0] == "requests" and isinstance(path[1], int):
            return range(max(0, path[1]), min(count, path[1] + 1))
        return range(0)

    @property
    def mark(self) -> int:
        """A checksum of a change that adds requests; 0 for any other change.

        Requests have ids. Equal checksums therefore mean that the log repeats a change.
        """
        adds = self.kind == INITIAL or (self.kind == PUSH and self.k == ["requests"])
        return crc32(msgspec.json.encode(self)) if adds and len(self.v) else 0


class LogState(ReaderState):
    """The reader state of a change log."""

    document: Chat | None = None
    marks: list[int] = msgspec.field(
        default_factory=list
    )  # of the latest changes that added requests


class Replay:
    """Applies the changes of a log to a document.

    `chat` is the document. It is None before the first change.
    """

    def __init__(self, chat: Chat | None, batch: BatchBuilder) -> None:
        self.chat = chat
        self._errors = batch.errors
        self._decoders: dict[type[Shared], Decode[Shared]] = {}
        self._unknown = batch.unknown

    def apply(self, change: Change, offset: int) -> None:
        """Apply one change to the document. Count an invalid change as a `schema` error.

        `offset` is the byte offset after the line of the change.
        """
        self._unknown.observe("" if change.kind is None else f"change.{change.kind}")
        path = change.k or []
        if change.kind == INITIAL:
            self.chat = self._decoded(Chat, memoryview(change.v), offset)
        elif not path or change.kind not in (SET, PUSH, DELETE):
            self._errors.add("schema", offset)
        else:
            self.chat = self.chat or Chat()  # the first line of the log is missing
            self._change(self.chat, path, change, offset)

    def _decoded(self, kind: type[S], text: memoryview, offset: int) -> S | None:
        if kind not in self._decoders:
            self._decoders[kind] = decoder(kind, self._errors)
        return cast("S | None", self._decoders[kind](text, offset))

    def _change(self, owner: Shared, path: Path, change: Change, offset: int) -> None:
        """Apply a change to the value at `path` below `owner`.

        Changes of members that are not read are ignored.
        """
        name = fields_of(type(owner)).get(str(path[0]))
        if name is None:
            return
        value = getattr(owner, name)
        if len(path) > 1 and isinstance(value, list):
            self._change_item(owner, value, path, change, offset)
        elif len(path) > 1 and isinstance(value, Shared):
            self._change(value, path[1:], change, offset)
        else:
            new = self._new_value(owner, name, path, change, offset)
            if change.kind == PUSH:
                new = [*cut(value, change.i), *(new if isinstance(new, list) else ())]
            setattr(owner, name, new)

    def _new_value(
        self, owner: Shared, name: str, path: Path, change: Change, offset: int
    ) -> object:
        """Return the new value of the member `name` of `owner`; None if the change deletes it."""
        text = nested(path, change.v) if len(change.v) else memoryview(b"{}")
        return getattr(self._decoded(type(owner), text, offset), name, None)

    def _change_item(
        self, owner: Shared, items: list[Shared], path: Path, change: Change, offset: int
    ) -> None:
        """Apply a change to one item of the list `items`, which is a member of `owner`.

        `path` starts with the name of the list and the index of the item.
        """
        name, index = path[0], path[1]
        if not isinstance(index, int) or not 0 <= index <= len(items):
            self._errors.add("schema", offset)
        elif index == len(items):
            if change.kind == SET and len(path) == 2:  # noqa: PLR2004 - an item after the last
                self._change(owner, [name], Change(PUSH, v=in_list(change.v)), offset)
            else:
                self._errors.add("schema", offset)
        elif len(path) > 2:  # noqa: PLR2004 - within the item
            self._change(items[index], path[2:], change, offset)
        else:
            given = self._decoded(type(owner), nested([name], in_list(change.v)), offset)
            new = getattr(given, fields_of(type(owner))[str(name)], None)
            if new:
                items[index] = new[0]


@cache
def fields_of(kind: type[Shared]) -> dict[str, str]:
    """Return the field names of a Struct, by their names in a document."""
    return {field.encode_name: field.name for field in msgspec.structs.fields(kind)}


def in_list(value: msgspec.Raw) -> msgspec.Raw:
    """Return a JSON list with `value` as its only item; `[{}]` if `value` is empty."""
    return msgspec.Raw(b"[%s]" % (bytes(value) or b"{}"))


def cut(items: object, length: int | None) -> list[object]:
    """Return the first `length` items of a list; all items if `length` is None.

    Returns [] if `items` is not a list.
    """
    kept = items if isinstance(items, list) else []
    return kept if length is None else kept[: max(0, length)]


def nested(path: Path, value: msgspec.Raw) -> memoryview:
    """Return a JSON document that contains only `value`, at the path `path`."""
    for step in reversed(path):
        value = msgspec.Raw(b"{%s:%s}" % (msgspec.json.encode(str(step)), bytes(value)))
    return memoryview(value)
