"""Content negotiation (RFC 9110, section 12.5) and conditional requests (section 13.1)."""

from collections.abc import Iterator
from functools import lru_cache

import msgspec

OPENMETRICS = "application/openmetrics-text"
TEXT_RANGES = ("text/plain", "text/*", "*/*")  # the most specific first
GZIP_RANGES = ("gzip", "*")
HEADERS_MAX = 64  # results that are kept, because a scraper sends the same headers every time


class Offer(msgspec.Struct, frozen=True):
    """One element of an Accept or Accept-Encoding header. `quality` is a number from 0 to 1."""

    name: str
    quality: float
    version: str = ""


@lru_cache(HEADERS_MAX)
def wants_openmetrics(accept: str) -> bool:
    """Return whether an Accept header accepts OpenMetrics 1.0.0 and does not prefer plain text."""
    offers = list(_offers(accept))
    named = [o.quality for o in offers if o.name == OPENMETRICS and o.version in {"", "1.0.0"}]
    wanted = max(named, default=0.0)
    return wanted > 0 and wanted >= _quality(offers, TEXT_RANGES)


@lru_cache(HEADERS_MAX)
def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header allows gzip."""
    return _quality(list(_offers(accept_encoding)), GZIP_RANGES) > 0


def has_etag(if_none_match: str, etag: str) -> bool:
    """Return whether an If-None-Match header names the ETag of a response, weakly or strongly."""
    names = {name.strip().removeprefix("W/") for name in if_none_match.split(",")}
    return bool(names & {etag, "*"})


def _quality(offers: list[Offer], names: tuple[str, ...]) -> float:
    for name in names:
        qualities = [offer.quality for offer in offers if offer.name == name]
        if qualities:
            return max(qualities)
    return 0.0


def _offers(header: str) -> Iterator[Offer]:
    for element in header.lower().split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        values = dict(parameter.partition("=")[::2] for parameter in parameters)
        try:
            quality = float(values.get("q", "1"))
        except ValueError:
            continue
        if name:
            yield Offer(name, quality, values.get("version", "").strip('"'))
