"""Decodes a download of the genai-prices table into the public types of package genai_prices.

Format: `prices/new_data/v2/data.json` of https://github.com/pydantic/genai-prices, a JSON array of
providers. The decoder in the package is private and may change without notice.
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec
from genai_prices.types import ModelPrice, Provider, TieredPrices
from pydantic import ConfigDict, TypeAdapter

from agtop_exporter.pricing.provider_index import is_priced
from agtop_exporter.pricing.rates import PriceTableError

REQUIRED = {"anthropic", "openai", "google"}  # providers that a valid table must have

_Object = dict[str, object]
_PRICES = TypeAdapter(dict[str, Decimal | TieredPrices | None])
_PROVIDERS = TypeAdapter(
    list[Provider],  # in a list: pydantic accepts no configuration for a single dataclass
    config=ConfigDict(arbitrary_types_allowed=True, defer_build=True),  # ModelPrice is no dataclass
)


def decode_providers(data: bytes, *, is_valid: Callable[[Provider], bool]) -> list[Provider]:
    """Return the valid providers in a download.

    A provider is left out if it does not fit the types, or if `is_valid` returns False for it.

    Raises:
        PriceTableError: The download is not a JSON array of objects, or a required provider is
            missing.

    """
    try:
        entries = msgspec.json.Decoder(list[_Object], float_hook=Decimal).decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise PriceTableError(f"not a genai-prices table: {error}") from error
    decoded = (provider for entry in entries for provider in _decode_provider(entry))
    providers = list(filter(is_valid, decoded))
    priced = {provider.id for provider in providers if any(map(is_priced, provider.models))}
    if not priced >= REQUIRED:
        raise PriceTableError(f"genai-prices table lacks {', '.join(sorted(REQUIRED - priced))}")
    return providers


def _decode_provider(entry: _Object) -> list[Provider]:
    """Return a list with the provider of an entry. The list is empty if the entry is not valid."""
    try:
        return _PROVIDERS.validate_python([_with_model_prices(entry)])
    except (ValueError, TypeError, RecursionError):  # pydantic's ValidationError is a ValueError
        return []


def _with_model_prices(value: object) -> object:
    """Return a copy of a JSON value. Each object under the key `prices` becomes a ModelPrice."""
    if isinstance(value, list):
        return [_with_model_prices(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: ModelPrice(**_PRICES.validate_python(item))
        if key == "prices" and isinstance(item, dict)
        else _with_model_prices(item)
        for key, item in value.items()
    }
