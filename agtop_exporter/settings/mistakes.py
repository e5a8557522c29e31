"""Converts validation errors of pydantic to messages, one sentence for each mistake."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from agtop_exporter.pricing.override_fields import KEYS
from agtop_exporter.settings.fields import FIELDS
from agtop_exporter.settings.form import Form
from agtop_exporter.settings.toml import Keys, dotted

SHOWN_CHARACTERS = 60  # longest value in a message
SHOWN_BITS = 64  # largest whole number in a message

Spelling = Callable[[str], str]
"""A function that returns a setting's name as one source writes it.

For the file, the variables and the flags: `interval`, `AGTOP_INTERVAL`, `--interval`.
"""


def explain(error: ValidationError, spelling: Spelling) -> Iterator[tuple[Keys, str]]:
    """Yield a pair for each mistake: the keys that lead to the invalid value, and the message.

    `spelling` returns the name of a setting as its source writes it.
    """
    for one in error.errors(include_url=False, include_context=True):
        if one["type"] == "override":
            yield from _price_mistakes(one)
        else:
            say = SENTENCES.get(one["type"], _expected)
            yield _keys(one["loc"]), say(one, spelling)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the most similar known name, or "" if none is similar."""
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.7)), "")


def shown(value: object) -> str:
    """Return a value as short text on one line, for a message."""
    if isinstance(value, str):
        cut = len(value) > SHOWN_CHARACTERS
        return f"{value[:SHOWN_CHARACTERS]!r}{'...' if cut else ''}"
    if isinstance(value, int) and value.bit_length() > SHOWN_BITS:
        return "a larger number"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return str(value).lower() if isinstance(value, bool) else str(value)


def expectation(field: FieldInfo, depth: int = 0) -> str:
    """Return a text about the values that a field accepts, such as `a number of seconds`.

    If `depth` is 0, the text is about the field's value. If it is 1, the text is about an item of
    this value, and so on.
    """
    form, kind = Form.of(field), field.annotation
    if form.nouns:
        return form.nouns[min(depth, len(form.nouns) - 1)]
    if get_origin(kind) is Literal:
        *others, last = get_args(kind)
        return f"{', '.join(others)} or {last}"
    if kind is bool:
        return "true or false"
    return ("a whole number" if kind is int else f"a number of {form.unit}") + _bounds(field)


def _bounds(field: FieldInfo) -> str:
    low = next((item.ge for item in field.metadata if hasattr(item, "ge")), None)
    high = next((item.le for item in field.metadata if hasattr(item, "le")), None)
    if high is None:
        return "" if low is None else f", {low} or more"
    return f" from {low} to {high}"


def _expected(one: ErrorDetails, _spelling: Spelling) -> str:
    name, *rest = one["loc"]
    return f"expected {expectation(FIELDS[str(name)], len(rest))}, got {shown(one['input'])}"


def _unknown(one: ErrorDetails, spelling: Spelling) -> str:
    meant = suggestion(str(one["loc"][0]).lower(), FIELDS)
    return "there is no such setting" + (f"; did you mean {spelling(meant)}?" if meant else "")


def _unknown_agent(one: ErrorDetails, _spelling: Spelling) -> str:
    name = str(one["input"])
    known = one["ctx"]["known"]
    meant = suggestion(name.lower(), known)
    hint = f"; did you mean {meant}?" if meant else f" (known: {', '.join(known)})"
    return f"no such agent: {name if name.isprintable() else shown(name)}{hint}"


def _own_words(one: ErrorDetails, _spelling: Spelling) -> str:
    return str(one["ctx"]["error"])


SENTENCES: Mapping[str, Callable[[ErrorDetails, Spelling], str]] = MappingProxyType(
    {"extra_forbidden": _unknown, "value_error": _own_words, "agent": _unknown_agent}
)
"""Type of a pydantic error -> function that returns the message. Other types use `_expected`."""


def _price_mistakes(one: ErrorDetails) -> Iterator[tuple[Keys, str]]:
    """Yield the keys and the message of each mistake in the prices of a model or in the budgets."""
    place = _keys(one["loc"])
    for problem in one["ctx"]["problems"]:
        unknown = tuple(key for key in problem.keys[:1] if key not in KEYS)
        value = one["input"].get(unknown[0]) if unknown and isinstance(one["input"], dict) else None
        if isinstance(value, dict) and place[0] == "prices":
            yield place, _quotes_are_missing([*place[1:], *unknown], value)
        else:
            yield (*place, *problem.keys), problem.why(shown)


def _quotes_are_missing(names: list[str], value: dict[str, Any]) -> str:
    """Return a message that shows the right form of a table header such as `[prices.gpt-5.2]`.

    TOML reads this header as a table `2` inside a table `gpt-5`. `names` are the keys `gpt-5` and
    `2`, and `value` is the table below these keys.
    """
    while len(value) == 1 and isinstance(inner := next(iter(value.values())), dict):
        names += value
        value = inner
    return f"a model name with a dot needs quotes: [{dotted(('prices', '.'.join(names)))}]"


def _keys(place: tuple[int | str, ...]) -> Keys:
    """Return the keys in pydantic's location of an error, without the indexes of list items."""
    return tuple(part for part in place if isinstance(part, str) and part != "[key]")
