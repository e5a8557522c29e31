"""Reader state: the data that a parser stores between two reads of a source.

The state is a Struct. It is stored in `Cursor.state` as a MessagePack map. Fields with their
default value are omitted, so a later version of the program can add a field. If the state cannot be
decoded, it is dropped and the source is read again from its start. Events that are read again are
not counted twice, because their keys are the same.
"""

from typing import Literal, TypeVar

import msgspec

from agtop_exporter.labels import ResetReason
from agtop_exporter.model import Cursor, UsageEvent

State = TypeVar("State", bound=msgspec.Struct)

UNDECODABLE_STATE: ResetReason = "state"


class ReaderState(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Base class of reader states. A parser stores its reader state between two reads of a source.

    All fields must have defaults. A stored state with an unknown field cannot be decoded.
    """

    unnamed: list[UsageEvent] = []
    """Responses that were added without a model; see `Parser.name_model`."""


class NoState(ReaderState):
    """The empty reader state, for parsers that store nothing between two reads."""


def restore(cursor: Cursor, kind: type[State]) -> tuple[State, Cursor, ResetReason | Literal[""]]:
    """Return (state, cursor to read from, reason of a reset or "").

    The state of type `kind` is decoded from `cursor.state`. If this fails, the state has its
    defaults, and the returned cursor is at the start of the source.
    """
    if not cursor.state:
        return kind(), cursor, ""
    try:
        return msgspec.msgpack.decode(cursor.state, type=kind), cursor, ""
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return kind(), Cursor(), UNDECODABLE_STATE


encode_state = msgspec.msgpack.Encoder().encode
