"""Small price tables in the real formats, with invented models.

genai-prices: `prices/new_data/v2/data.json` of github.com/pydantic/genai-prices.
LiteLLM: `model_prices_and_context_window.json` of github.com/BerriAI/litellm.
"""

import json
from decimal import Decimal

from genai_prices import Usage

from agtop_exporter.model import TokenCounts


def usd_of(rates):
    """Return the rates of uncached input, cache reads and output in USD per million tokens."""
    return tuple(rate / 1e6 for rate in (rates.input, rates.cache_read, rates.output))


def genai_model(name, prices, **fields):
    return {"id": name, "match": {"equals": name}, "prices": prices, **fields}


def genai_table(*models, maker="openai"):
    """Return a download with `models` for one provider and one model for each other provider."""
    sellers = {
        seller: [genai_model(f"{seller}-base", {"input_mtok": 1, "output_mtok": 2})]
        for seller in ("anthropic", "openai", "google")
    }
    sellers[maker].extend(models)
    return json.dumps(
        [
            {"id": seller, "name": seller, "api_pattern": f"https://{seller}", "models": listed}
            for seller, listed in sellers.items()
        ]
    ).encode()


def litellm_entry(input_cost=2e-06, output_cost=8e-06, **fields):
    return {
        "input_cost_per_token": input_cost,
        "output_cost_per_token": output_cost,
        "litellm_provider": "openai",
        "mode": "chat",
        **fields,
    }


def litellm_table(**entries):
    sample = {"input_cost_per_token": 0.0, "mode": "one of: chat, embedding", "max_tokens": "max"}
    return json.dumps({"sample_spec": sample, **entries}).encode()


def genai_usage(tokens: TokenCounts) -> Usage:
    """Return tokens in the form of genai-prices, whose input includes cached tokens."""
    return Usage(
        input_tokens=tokens.prompt,
        cache_read_tokens=tokens.cache_read,
        cache_write_tokens=tokens.cache_write_5m + tokens.cache_write_1h,
        cache_write_1h_tokens=tokens.cache_write_1h,
        output_tokens=tokens.output,
    )


def picodollars(usd: Decimal) -> Decimal:
    return usd * 10**12
