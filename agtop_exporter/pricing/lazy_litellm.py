"""Decodes the part of LiteLLM's table that is bundled with this package, at the first lookup.

The bundled file `litellm.json` has the date and the version of the table. It has the prices of
each model whose price in genai-prices is missing or incomplete. `.ci/litellm_snapshot.py` generates
the file.
"""

from functools import cache
from importlib.resources import files

import msgspec

from agtop_exporter.pricing.litellm import LiteLLMPrices

_FILE = "litellm.json"


class Snapshot(msgspec.Struct, frozen=True):
    """The version of the bundled table, and its date in unix seconds."""

    version: str
    date: float


class _Document(msgspec.Struct, frozen=True):
    models: msgspec.Raw


@cache
def bundled_snapshot() -> Snapshot:
    """Return the version and the date of the bundled table. The prices are not decoded."""
    return msgspec.json.decode(_text(), type=Snapshot)


@cache
def bundled_prices() -> LiteLLMPrices:
    """Return the bundled table. The table is decoded once."""
    return LiteLLMPrices(bundled_models())


def bundled_models() -> bytes:
    """Return the entries of the bundled table, in the format of a download."""
    return bytes(msgspec.json.decode(_text(), type=_Document).models)


def _text() -> bytes:
    return files(__package__).joinpath(_FILE).read_bytes()
