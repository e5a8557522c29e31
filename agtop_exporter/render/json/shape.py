"""Generates types of JSON objects from the fields of structs.

msgspec encodes the values of the generated types, and generates the JSON Schema from the types.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from types import GenericAlias
from typing import Annotated, Any, NamedTuple

import msgspec

from agtop_exporter.model import time_text

RATIO_DECIMALS = 6

Time = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]

TIMES = frozenset(
    {"generated_at", "last_active", "last_success", "observed_at", "resets_at", "started_at"}
    | {"updated_at"}
)
"""Names of fields that contain unix seconds. In JSON, their values are RFC 3339 text."""


class Key(NamedTuple):
    """A key of a JSON object: its name, its type, and the function that returns its value."""

    name: str
    type: Any
    value: Callable[[Any], Any]


class Shape:
    """A type of JSON object with fixed keys.

    Calling the shape with an object, such as a Session, returns the JSON object with its values.
    """

    def __init__(self, name: str, keys: Iterable[Key], description: str) -> None:
        """Create the type. `name` and `description` appear in the JSON Schema."""
        keys = tuple(keys)
        self.type: Any = msgspec.defstruct(
            name,
            [(key.name, key.type) for key in keys],
            namespace={"__doc__": description},
            gc=False,
        )
        self._values = [key.value for key in keys]

    def __call__(self, source: object) -> Any:  # noqa: ANN401 - a value of `self.type`
        """Return the JSON object with the values of `source`."""
        return self.type(*[value(source) for value in self._values])


def keys_of(
    source: type[msgspec.Struct], instead: Mapping[str, tuple[Key, ...]] | None = None
) -> list[Key]:
    """Return a key for each field of the struct `source`, with the same name, type and order.

    `instead` maps the name of a field to the keys that replace the field. An empty tuple hides the
    field. Raises TypeError if `instead` contains a name that is not a field of the struct.
    """
    instead = instead or {}
    if unknown := instead.keys() - set(source.__struct_fields__):
        raise TypeError(f"{source.__name__} has no fields {sorted(unknown)}")
    keys: list[Key] = []
    for field in msgspec.structs.fields(source):
        keys += instead.get(field.name, (key_of(field.name, field.type),))
    return keys


def key_of(name: str, kind: Any) -> Key:  # noqa: ANN401 - a type
    """Return the JSON key for the field `name` of a struct.

    If `name` is in TIMES, the value is converted to RFC 3339 text. If `name` ends with `_ratio`,
    the value is rounded to RATIO_DECIMALS. Other values are not converted.
    """
    value = attrgetter(name)
    if name in TIMES:
        return Key(name, Time | None, lambda source: time_text(value(source)))
    if name.endswith("_ratio"):
        return Key(name, kind, lambda source: rounded(value(source)))
    return Key(name, kind, value)


def rounded(ratio: float | None) -> float | None:
    """Return a ratio with at most RATIO_DECIMALS decimals; None if the ratio is None."""
    return None if ratio is None else round(ratio, RATIO_DECIMALS)


def mapping_of(shape: Shape) -> Any:  # noqa: ANN401 - a type
    """Return the type of a JSON object that maps names to objects of a shape."""
    return GenericAlias(dict, (str, shape.type))


def list_of(shape: Shape) -> Any:  # noqa: ANN401 - a type
    """Return the type of a JSON array that contains objects of a shape."""
    return GenericAlias(list, (shape.type,))
