"""Reader state: the data that a parser keeps between two reads of a source.

The state is a Struct, stored in `Cursor.state` as a MessagePack map without the fields that have
their default. A later version of the program can add a field. If the state cannot be decoded, it is
dropped and the source is read again from its start. Event keys prevent double counting.
"""

from typing import Literal, TypeVar

import msgspec

from agtop_exporter.labels import ResetReason
from agtop_exporter.model import Cursor, UsageEvent

State = TypeVar("State", bound=msgspec.Struct)

UNDECODABLE_STATE: ResetReason = "state"


class ReaderState(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """Base class of the state that a parser keeps between two reads. All fields have defaults.

    State with an unknown field cannot be decoded.
    """

    unnamed: list[UsageEvent] = []
    """Responses whose model is not known yet; see `Parser.name_model`."""


class NoState(ReaderState):
    """The state of a parser that keeps none."""


def restore(cursor: Cursor, kind: type[State]) -> tuple[State, Cursor, ResetReason | Literal[""]]:
    """Return (state, cursor to read from, reason of a reset or "").

    If the state cannot be decoded, both are those of a source that was never read.
    """
    if not cursor.state:
        return kind(), cursor, ""
    try:
        return msgspec.msgpack.decode(cursor.state, type=kind), cursor, ""
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return kind(), Cursor(), UNDECODABLE_STATE


encode_state = msgspec.msgpack.Encoder().encode
