"""Refuses absurd price changes in a downloaded table.

A table may be wrong, or an attacker may have changed it. If a price becomes more than CHANGE_MAX
times higher or lower, the change is refused and the earlier entry stays in use.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

CHANGE_MAX = 100
_PRICE = re.compile(r".*(?:cost|_mtok|_kcount).*")

Entries = dict[str, Any]


def without_absurd_changes(data: bytes, earlier: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a price table, and the names of the models whose changes were refused.

    `data` is a download and `earlier` is the last table of the same source. If a change is refused,
    the returned table has the earlier entry of the model. A table that cannot be decoded is
    returned as it is, because its reader reports it.
    """
    try:
        table, before = msgspec.json.decode(data), msgspec.json.decode(earlier)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return data, ()
    known = {name: entries[place] for name, entries, place in _models(before)}
    refused = []
    for name, entries, place in _models(table):
        if name in known and _is_absurd(entries[place], known[name]):
            entries[place] = known[name]
            refused.append(name)
    return (msgspec.json.encode(table) if refused else data), tuple(refused)


def _models(table: object) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name of each model, the container of its entry, and its key in the container.

    LiteLLM has an object of entries; genai-prices has a list of providers with a list of models.
    """
    if isinstance(table, dict):
        yield from ((name, table, name) for name in table)
    for provider in table if isinstance(table, list) else ():
        models = provider.get("models") if isinstance(provider, dict) else None
        for place, model in enumerate(models if isinstance(models, list) else ()):
            if isinstance(model, dict):
                yield f"{provider.get('id')}/{model.get('id')}", models, place


def _is_absurd(entry: object, earlier: object) -> bool:
    now, then = _highest(entry), _highest(earlier)
    return any(
        not then[key] / CHANGE_MAX <= now[key] <= then[key] * CHANGE_MAX
        for key in now.keys() & then.keys()
    )


def _highest(entry: object) -> Mapping[str, float]:
    """Return the highest positive price of each key in an entry. Dated prices count together."""
    found: dict[str, float] = {}
    for key, price in _prices(entry, ""):
        found[key] = max(price, found.get(key, 0.0))
    return found


def _prices(value: object, key: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _prices(item, name if _PRICE.fullmatch(name) else key)
    elif isinstance(value, list):
        for item in value:
            yield from _prices(item, key)
    elif key and isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        yield key, float(value)
