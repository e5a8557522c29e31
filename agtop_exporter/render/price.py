"""Renders the explanation of a price.

claude-opus-4-6 on 2026-11-30 04:00 UTC
  source       genai-prices 0.2.3 of 2026-11-10
  match        exact: claude-opus-4-6 of anthropic
  in force     since 2026-02-05

  USD per million tokens   input  cache read  write 5m  write 1h  output
  standard                     5         0.5      6.25        10      25
  fast                        30           3      37.5        60     150

  web search   0.01 USD each
  region us    factor 1.1
  ! litellm 3f6a of 2026-11-29 lists output otherwise: 5, 0.5, 6.25, 10, 20
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from msgspec.structs import astuple

from agtop_exporter.model import time_text
from agtop_exporter.pricing.card import STANDARD_TIERS
from agtop_exporter.pricing.explanation import Explanation, Listing, TierPrice
from agtop_exporter.pricing.names import is_local

HEADER = ("input", "cache read", "write 5m", "write 1h", "output")
TITLE = "USD per million tokens"
NAME_WIDTH = 12
MATCHES = {
    "exact": "the same name",
    "alias": "another name of it",
    "date-stripped": "its name without the date",
    "prefix-stripped": "its name without the prefix",
    "suffix-stripped": "its name without the suffix",
    "wildcard": "a pattern",
    "maker": "the price of its maker; the provider has none",
    "regional": "only the price of a region is known",
}


class Question(NamedTuple):
    """The price that the user asks for: model, provider, service tier and time in unix seconds."""

    model: str
    provider: str
    tier: str
    at: float


def as_json(question: Question, answer: Explanation | None) -> bytes:
    """Return the explanation `answer` as JSON. `price` is null if the price is unknown.

    `tier_price` is null if the price of the service tier is unknown.
    """
    document = {
        "model": question.model,
        "provider": question.provider,
        "tier": question.tier,
        "at": time_text(question.at),
        "price": answer,
        "tier_price": answer.tiers_of(question.tier) if answer else None,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def text(question: Question, answer: Explanation | None) -> str:
    """Return the explanation `answer` as text, or a sentence that the price is unknown."""
    provider = f" of {question.provider}" if question.provider else ""
    asked = f"{printable(question.model)}{printable(provider)}"
    when = datetime.fromtimestamp(question.at, UTC)
    if answer is None:
        if is_local(question.provider, question.model):
            return f"{asked} is a local model without a list price. Set its price under [prices].\n"
        return f"No price is known for {asked} on {when:%Y-%m-%d}. Its tokens are unpriced.\n"
    prices = answer.tiers_of(question.tier)
    if prices is None:
        known = ", ".join(answer.service_tiers) or "only the standard one"
        return (
            f"No price is known for the service tier {printable(question.tier)} of {asked}"
            f" (known: {known}). Its tokens are unpriced.\n"
        )
    lines = [
        f"{asked} on {when:%Y-%m-%d %H:%M} UTC",
        *_origin(answer),
        "",
        *_table(_rows(question.tier, prices, answer)),
        "",
        *_rest(answer),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _origin(answer: Explanation) -> Iterator[str]:
    yield _line("source", _table_name(answer.source, answer.source_version, answer.source_date))
    for source in answer.corrections:
        yield _line("corrected", source)
    seller = f" of {answer.priced_by}" if answer.priced_by else ""
    match = MATCHES.get(answer.match, answer.match)
    yield _line("match", f"{answer.match}: {answer.priced_as}{seller} ({match})")
    start = f"since {_moment(answer.valid_from)}" if answer.valid_from else "without a start"
    end = f", until {_moment(answer.valid_until)}" if answer.valid_until else ""
    yield _line("in force", start + end)
    if answer.derived:
        names = ", ".join(answer.derived)
        yield _line("derived", f"{names}: not listed, computed from the input rate")


def _rows(
    tier: str, prices: tuple[TierPrice, ...], answer: Explanation
) -> Iterator[tuple[str, TierPrice]]:
    asked = {tier: prices} if tier not in STANDARD_TIERS else {"standard": answer.tiers}
    others = answer.service_tiers if not tier else {}
    for name, tiers in (asked | others).items():
        for one in tiers:
            yield f"{name} above {one.above_tokens:,}" if one.above_tokens else name, one


def _table(rows: Iterable[tuple[str, TierPrice]]) -> Iterator[str]:
    cells = [
        (TITLE, *HEADER),
        *((name, *(f"{rate:.10g}" for rate in astuple(one)[1:])) for name, one in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for name, *rates in cells:
        columns = (f"{cell:>{width}}" for cell, width in zip(rates, widths[1:], strict=True))
        yield f"  {name:<{widths[0]}}  {'  '.join(columns)}"


def _rest(answer: Explanation) -> Iterator[str]:
    fee = answer.web_search_usd
    yield _line("web search", "no known price" if fee is None else f"{fee:g} USD each")
    for region, factor in answer.regions.items():
        yield _line(f"region {region}", f"factor {factor:g}")
    for listing in answer.disagreements:
        yield from (f"  ! {line}" for line in _about(listing))
    agreeing = [one for one in answer.listings if not one.differs and one.source != answer.source]
    for listing in agreeing:
        yield _line("also", f"{_table_name(listing.source, listing.version, listing.date)}: same")


def _about(listing: Listing) -> Iterator[str]:
    """Yield lines about the rates in another price table that differ from the used rates.

    The rates without a service tier have one line. Each service tier has one line.
    """
    name = _table_name(listing.source, listing.version, listing.date)
    of_standard = [what for what in listing.differs if what not in listing.service_tiers]
    if of_standard:
        yield f"{name} lists {', '.join(of_standard)} otherwise: {_rates(listing.tiers)}"
    for what in listing.differs:
        if what in listing.service_tiers:
            yield f"{name} lists {what} otherwise: {_rates(listing.service_tiers[what])}"


def _rates(tiers: tuple[TierPrice, ...]) -> str:
    """Return the rates of all tiers as text, in the column order of HEADER."""
    return "; ".join(
        (f"above {tier.above_tokens:,}: " if tier.above_tokens else "")
        + ", ".join(f"{rate:.10g}" for rate in astuple(tier)[1:])
        for tier in tiers
    )


def _moment(time: str) -> str:
    """Return the date of an RFC 3339 text. A time other than midnight is added to the date."""
    day, _, clock = time.partition("T")
    return day if clock.startswith("00:00:00") else f"{day} {clock[:5]}"


def _table_name(source: str, version: str, date: str | None) -> str:
    return f"{source} {version}".rstrip() + (f" of {date[:10]}" if date else "")


def _line(name: str, content: str) -> str:
    return f"  {name:<{NAME_WIDTH}} {content}"


def printable(name: str) -> str:
    """Return a name without characters that a terminal interprets."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name)
