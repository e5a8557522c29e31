"""Leaves out of JSON lines what no reader asks for, before they are decoded.

Most of a transcript is text that a decoder checks and drops. The compiled part of this does the
same several times faster; without it, all is left to the decoder, with the same results.
"""

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import msgspec
from msgspec import inspect

try:
    from agtop_exporter import _projection
except ImportError:  # no compiler was there, or the processor is another one
    COMPILED = False
else:
    COMPILED = True

Wanted: TypeAlias = dict[str, "Wanted | None"]
"""Names of members, with what is wanted of objects in their values: None for all of it."""

NO_OBJECTS = (
    inspect.BoolType,
    inspect.DateTimeType,
    inspect.FloatType,
    inspect.IntType,
    inspect.NoneType,
    inspect.StrType,
)

Project = Callable[[memoryview], bytes | memoryview]


@cache
def projector(kind: type[msgspec.Struct]) -> Project:
    """Return a function that copies lines without the members which a Struct type has no use for.

    Lines that are not all well-formed objects come back as they are: what is wrong with them is
    the decoder's to say.
    """
    if not COMPILED:
        return lambda text: text
    members = wanted(inspect.type_info(kind)) or {}

    def project(text: memoryview) -> bytes | memoryview:
        projected = _projection.lines(text, members)
        return text if projected is None else projected

    return project


def wanted(kind: inspect.Type) -> Wanted | None:
    """Return the members that decoding as a type looks at, at any depth."""
    match kind:
        case inspect.StructType(array_like=False, tag_field=None):
            return {field.encode_name: wanted(field.type) for field in kind.fields}
        case inspect.ListType():
            return wanted(kind.item_type)
        case inspect.UnionType():
            members: Wanted = {}
            for alternative in map(wanted, kind.types):
                if alternative is None:
                    return None
                members |= alternative
            return members
        case _ if isinstance(kind, NO_OBJECTS):
            return {}
    return None
