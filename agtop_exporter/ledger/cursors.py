"""`Cursors`: the read positions in the files of one agent, in little memory."""

from collections.abc import Iterator, MutableMapping

import msgspec

from agtop_exporter.model import Cursor

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Cursor).decode


class Cursors(MutableMapping[str, Cursor]):
    """The cursors of the files of one agent, by path.

    Each cursor is encoded as one `bytes` value, which takes a third of the memory. Reading a cursor
    returns a copy.
    """

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}

    def __getitem__(self, path: str) -> Cursor:
        return _decode(self._packed[path])

    def __setitem__(self, path: str, cursor: Cursor) -> None:
        self._packed[path] = _encode(cursor)

    def __delitem__(self, path: str) -> None:
        del self._packed[path]

    def __contains__(self, path: object) -> bool:
        return path in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)
