"""Reader state: what a parser keeps between two reads of a source, stored in `Cursor.state`.

The state is a Struct, encoded as a MessagePack map without the fields that have their default.
A later version can add a field. State that a version cannot decode is dropped, and the source is
read again from its start; event keys keep that from counting anything twice.
"""

from typing import Literal, TypeVar

import msgspec

from agtop_exporter.labels import ResetReason
from agtop_exporter.model import Cursor, UsageEvent

State = TypeVar("State", bound=msgspec.Struct)

UNDECODABLE_STATE: ResetReason = "state"


class ReaderState(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Base class of the state that a parser keeps between two reads. All fields have defaults.

    State with a field that this version does not know, or no longer knows, cannot be decoded.
    """

    unnamed: list[UsageEvent] = []
    """Responses whose model the source has not named yet; see `Parser.name_model`."""


class NoState(ReaderState):
    """The state of a parser that keeps none."""


def restore(cursor: Cursor, kind: type[State]) -> tuple[State, Cursor, ResetReason | Literal[""]]:
    """Return the decoded state, the cursor to read from, and the reason for a reset, if any.

    If the state cannot be decoded, the cursor is that of a source that was never read.
    """
    if not cursor.state:
        return kind(), cursor, ""
    try:
        return msgspec.msgpack.decode(cursor.state, type=kind), cursor, ""
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return kind(), Cursor(), UNDECODABLE_STATE


encode_state = msgspec.msgpack.Encoder().encode
