"""4,800 random requests cost what an independent calculation says, in every sum of the ledger.

The prices below are typed in from public pages. The calculation shares no code with the program.
"""

import random
from collections import Counter
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import (
    Batch,
    Cursor,
    SessionUpdate,
    TokenCounts,
    UsageEvent,
    hour_of,
)
from agtop_exporter.pricing import PriceBook

REQUESTS = 4_800
PICO = 10**6  # picodollars per token for one US dollar per million tokens


def day(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def usd(number):
    return Fraction(str(number))


# USD per million tokens: input, cache read, cache writes of 5 minutes and 1 hour, output; from a
# day on, for prompts of more than so many tokens.
OPUS = (5, 0.5, 6.25, 10, 25)
RATES = {
    "claude-opus-4-6": {
        ("2026-02-05", 0): OPUS,
        ("2026-02-05", 200_000): (10, 1, 12.5, 20, 37.5),
        ("2026-03-13", 0): OPUS,
    },
    "claude-opus-4-7": {("2026-02-05", 0): OPUS},
    "claude-opus-4-8": {("2026-02-05", 0): OPUS},
    "claude-sonnet-5-5": {
        ("2026-02-05", 0): (2, 0.2, 2.5, 4, 10),
        ("2026-10-07", 0): (2, 0.1, 2.5, 4, 10),
    },
    "gpt-5.5": {
        ("2026-02-05", 0): (5, 0.5, 5, 5, 30),
        ("2026-02-05", 272_000): (10, 1, 10, 10, 45),
    },
    "gpt-5.6-sol": {
        ("2026-02-05", 0): (5, 0.5, 6.25, 6.25, 30),
        ("2026-02-05", 272_000): (10, 1, 12.5, 12.5, 45),
        ("2026-08-21", 0): (4, 0.4, 5, 5, 20),
        ("2026-08-21", 272_000): (8, 0.8, 10, 10, 30),
    },
    "gemini-2.5-pro": {
        ("2026-02-05", 0): (1.25, 0.125, 1.25, 1.25, 10),
        ("2026-02-05", 200_000): (2.5, 0.25, 2.5, 2.5, 15),
    },
    "qwen3-coder-plus": {
        ("2026-02-05", 0): (1, 0.1, 1, 1, 5),
        ("2026-02-05", 32_000): (1.8, 0.18, 1.8, 1.8, 9),
        ("2026-02-05", 128_000): (3, 0.3, 3, 3, 15),
        ("2026-02-05", 256_000): (6, 0.6, 6, 6, 60),
    },
    "deepseek-v4-pro": {
        ("2026-02-05", 0): (1.74, 0.145, 1.74, 1.74, 3.48),  # its first price
        ("2026-04-25", 0): (0.435, 0.03625, 0.435, 0.435, 0.87),
        ("2026-04-26T12:15", 0): (0.435, 0.003625, 0.435, 0.435, 0.87),
        ("2026-08-16T16:00", 0): (0.66, 0.022, 0.66, 0.66, 1.98),
    },
}
FACTORS = {  # by model and speed: the factor on all rates; an unlisted pair has no price
    ("claude-opus-4-6", "fast"): 6,
    ("claude-opus-4-7", "fast"): 6,
    ("claude-opus-4-8", "fast"): 2,
    ("gpt-5.6-sol", "priority"): 2,
    ("claude-opus-4-6", "batch"): 0.5,
    ("claude-opus-4-7", "batch"): 0.5,
    ("claude-opus-4-8", "batch"): 0.5,
    ("claude-sonnet-5-5", "batch"): 0.5,
    ("gpt-5.6-sol", "flex"): 0.5,
    ("gpt-5.5", "flex"): 0.5,
    ("gpt-5.5", "batch"): 0.5,
    ("gpt-5.6-sol", "batch"): 0.5,
    ("gpt-5.6-sol", "fast"): 2,  # another name of its priority tier
    ("gpt-5.5", "priority"): 2.5,
    ("gpt-5.5", "fast"): 2.5,
}
FLAT = {("gpt-5.5", "priority"), ("gpt-5.5", "fast")}  # the same for prompts of any length
SPEEDS = ["", "", "", "standard", "fast", "priority", "flex", "batch", "no-such-tier"]
HALF_PRICE_ENDS = day("2026-02-17T08:00")  # of the fast mode of Opus 4.6
PEAK_STARTS = day("2026-08-16T16:00")
SEARCH_FEES_START = day("2026-10-31T16:00")
HOLIDAYS = {"09-25", "10-01", "10-02", "10-05", "10-06", "10-07"}
EDGES = [0, 1, 31_999, 32_000, 32_001, 128_000, 128_001, 199_999, 200_000, 200_001]
EDGES += [256_000, 256_001, 271_999, 272_000, 272_001, 900_000]
DAYS = ["2026-02-17T08:00", "2026-03-13", "2026-08-16T16:00", "2026-08-17T01:00"]
DAYS += ["2026-08-17T04:00", "2026-08-21", "2026-08-22T02:00", "2026-10-07", "2026-10-12"]


def expected(event):
    """Return the cost by type in picodollars, or None without a known price."""
    rates, fees = rates_of(event), fees_of(event)
    if rates is None or fees is None:
        return None
    tokens = event.tokens
    counts = {
        "input": tokens.input,
        "cache_read": tokens.cache_read,
        "cache_write_5m": tokens.cache_write_5m,
        "cache_write_1h": tokens.cache_write_1h,
        "output": tokens.output,
    }
    amounts = zip(counts.items(), rates, strict=True)
    return {kind: count * round(rate * PICO) for (kind, count), rate in amounts} | {
        "web_search": fees
    }


def fees_of(event):
    if event.model.startswith("deepseek"):
        return event.web_searches * (75 * 10**7 if event.time >= SEARCH_FEES_START else 0)
    if event.web_searches and not event.model.startswith(("claude", "gpt")):
        return None
    return event.web_searches * 10**10


def rates_of(event):
    """Return the rates of a request in dollars per million tokens."""
    model, tokens = event.model, event.tokens
    prompt = tokens.input + tokens.cache_read + tokens.cache_write_5m + tokens.cache_write_1h
    begun = max(start for start, _ in RATES[model] if day(start) <= event.time)
    above = max(limit for start, limit in RATES[model] if start == begun and limit < max(1, prompt))
    if (model, event.speed) in FLAT:
        above = 0
    factors = (factor_of_speed(event), factor_of_hour(event), factor_of_region(event))
    if None in factors:
        return None
    factor = usd(factors[0]) * usd(factors[1]) * usd(factors[2])
    return [usd(rate) * factor for rate in RATES[model][begun, above]]


def factor_of_speed(event):
    if event.speed in ("", "standard"):
        return 1
    if (event.model, event.speed) == ("claude-opus-4-6", "fast") and event.time < HALF_PRICE_ENDS:
        return 3
    return FACTORS.get((event.model, event.speed))


def factor_of_hour(event):
    when = datetime.fromtimestamp(event.time, UTC)
    working = when.weekday() < 5 and f"{when:%m-%d}" not in HOLIDAYS
    peak = working and (1 <= when.hour < 4 or 6 <= when.hour < 10)
    return 2 if event.model == "deepseek-v4-pro" and event.time >= PEAK_STARTS and peak else 1


def factor_of_region(event):
    if not event.region:
        return 1
    return 1.1 if event.model.startswith("claude") and event.region == "us" else None


def random_event(number, chance):
    """Return a request near one of the boundaries of the prices."""
    model = chance.choice(sorted(RATES))
    edge = max(0, chance.choice(EDGES) + chance.choice([-1, 0, 0, 1]))
    cached = chance.randint(0, edge)
    written = chance.randint(0, edge - cached)
    long_lived = chance.randint(0, written)
    tokens = TokenCounts(
        edge - cached - written, cached, written - long_lived, long_lived, chance.randint(0, 9_000)
    )
    if not model.startswith("claude"):
        tokens = TokenCounts(tokens.input, cached, written, 0, tokens.output)
    at = day(chance.choice(DAYS)) + chance.choice([-1, 0, 1, 3_600, -3_600 * 7, 86_400 * 9])
    of_google = model.startswith("gemini")  # its agents record neither searches nor tiers
    return UsageEvent(
        key=f"k{number}",
        session_id=f"s{chance.randint(0, 40)}",
        time=at,
        model=model,
        tokens=tokens,
        requests=1,
        speed="" if of_google else chance.choice(SPEEDS),
        region=chance.choice(["", "", "", "us", "eu"]),
        web_searches=0 if of_google else chance.choice([0, 0, 0, 1, 7]),
    )


def random_requests():
    """Return the requests with their costs."""
    chance = random.Random(20261120)
    events = [random_event(number, chance) for number in range(REQUESTS)]
    return [(event, expected(event)) for event in events]


def hours(ledger):
    return list(ledger._state.store.hours())  # noqa: SLF001 - no reader yet


def project_of(session_id):
    return f"/home/ada/project-{int(session_id[1:]) % 5}"


@pytest.fixture(scope="module")
def requests():
    return random_requests()


@pytest.fixture(scope="module")
def ledger(requests):
    """Return a ledger that has counted all requests, in batches of several sessions."""
    counted, book = Ledger(), PriceBook()
    for start in range(0, REQUESTS, 100):
        events = tuple(event for event, _ in requests[start : start + 100])
        ids = sorted({event.session_id for event in events})
        sessions = tuple(SessionUpdate(session_id=id_, cwd=project_of(id_)) for id_ in ids)
        batch = Batch("claude", f"/{start}.jsonl", Cursor(offset=1), events, sessions)
        counted.record(batch, price=book.cost, project=lambda cwd: cwd.rpartition("/")[2])
        counted.commit()
    return counted


@pytest.mark.slow
def test_each_request_costs_what_the_pages_say(requests):
    book = PriceBook()
    for event, want in requests:
        cost = book.cost(event)
        if want is None:
            assert cost is None, event
        else:
            assert {name: getattr(cost, name) for name in want} == want, event
            assert (cost.reported, cost.unpriced_tokens) == (0, 0)


def test_every_boundary_occurs(requests):
    assert {event.model for event, _ in requests} == RATES.keys()
    assert sum(cost is None for _, cost in requests) > 500
    assert sum(bool(cost and cost["web_search"]) for _, cost in requests) > 500


@pytest.mark.long
def test_all_sums_equal_the_total(requests, ledger):
    total = sum(sum(cost.values()) for _, cost in requests if cost)
    unpriced = sum(event.tokens.total for event, cost in requests if cost is None)
    records = list(ledger.sessions.values())
    assert sum(record.usage.cost.total for record in records) == total
    assert sum(record.usage.cost.unpriced_tokens for record in records) == unpriced
    series = {
        family: sum(value for key, value in ledger.totals.items() if key[0] == family)
        for family in ("cost", "project_cost", "unpriced_tokens")
    }
    assert series == {"cost": total, "project_cost": total, "unpriced_tokens": unpriced}
    assert sum(row[-2] for row in hours(ledger)) == total


@pytest.mark.slow
def test_sums_by_session_model_project_type_and_hour(requests, ledger):
    wanted = Counter()
    for event, cost in requests:
        for cost_type, amount in (cost or {}).items():
            session, project = event.session_id, project_of(event.session_id).rpartition("/")[2]
            wanted["session", session, event.model] += amount
            wanted["project", project] += amount
            wanted["type", event.model, cost_type] += amount
            wanted["hour", session, event.model, hour_of(event.time)] += amount
    found = Counter()
    names = {record.id: id_ for (_, id_), record in ledger.sessions.items()}
    for (_, session), record in ledger.sessions.items():
        for model, usage in record.models.items():
            found["session", session, model] += usage.cost.total
    for (family, _, name, *labels), value in (
        (key, value) for key, value in ledger.totals.items() if len(key) > 2
    ):
        if family == "project_cost":
            found["project", name] += value
        elif family == "cost":
            found["type", name, labels[0]] += value
    for session, model, hour, *sums in hours(ledger):
        found["hour", names[session], model, hour] += sums[-2]
    assert +found == +wanted
