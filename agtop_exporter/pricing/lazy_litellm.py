"""Decodes the part of LiteLLM's table that is bundled with this package, at the first lookup.

The bundled file `litellm.json` has the date and the version of the table. It has the prices of
each model whose price in genai-prices is missing or incomplete. `.ci/litellm_snapshot.py` generates
the file.
"""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec

from agtop_exporter.pricing.litellm import LiteLLMPrices

_FILE = "litellm.json"


class Snapshot(NamedTuple):
    """The bundled table, its version, and its date in unix seconds."""

    prices: LiteLLMPrices
    version: str
    date: float


class _Document(msgspec.Struct):
    version: str
    date: float
    models: msgspec.Raw


@cache
def bundled() -> Snapshot:
    """Return the bundled table. The file is read once."""
    document = msgspec.json.decode(files(__package__).joinpath(_FILE).read_bytes(), type=_Document)
    return Snapshot(LiteLLMPrices(bytes(document.models)), document.version, document.date)
