"""Writes the part of LiteLLM's price table that the package contains.

Usage, in the root of the repository, with the package installed:

    pip download --no-deps litellm
    python .ci/litellm_snapshot.py litellm-*.whl

The wheel of LiteLLM has the table. Only what genai-prices lacks is kept: models without a price,
prices of resellers and of cloud regions, rates of cache reads, service tiers, regions and fees. The
date is that of the wheel's bill of materials.
"""

import json
import sys
import zipfile
from datetime import datetime
from pathlib import Path

from agtop_exporter.pricing.card import PriceCard
from agtop_exporter.pricing.genai import GenaiPrices
from agtop_exporter.pricing.litellm import LiteLLMPrices
from agtop_exporter.pricing.names import has_region

TARGET = Path("agtop_exporter/pricing/litellm.json")
TABLE = "litellm/model_prices_and_context_window_backup.json"
MODES = ("chat", "completion", "responses", None)
COSTS = (
    "input_cost_per_token",
    "output_cost_per_token",
    "output_cost_per_reasoning_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
)
OTHER = ("litellm_provider", "mode", "max_input_tokens", "tiered_pricing")
SPECIFIC = ("us", "fast")


def lacks(ours: PriceCard | None, theirs: PriceCard) -> bool:
    """Return whether the first source has less than the second one."""
    return ours is None or bool(
        (ours.match == "maker" and ours.tiers != theirs.tiers)
        or (has_region(theirs.model) and ours.tiers != theirs.tiers)
        or ("cache_read" in ours.derived and "cache_read" not in theirs.derived)
        or theirs.speeds.keys() - ours.speeds.keys()
        or theirs.regions.keys() - ours.regions.keys()
        or (theirs.web_search is not None and ours.web_search is None)
    )


def pruned(entry: dict[str, object]) -> dict[str, object]:
    """Return an entry with the keys that the package uses."""
    kept = {
        key: value
        for key, value in entry.items()
        if key in OTHER or (value and key.startswith(COSTS) and not key.endswith("_hit"))
    }
    searches = entry.get("search_context_cost_per_query")
    if isinstance(searches, dict) and searches.get("search_context_size_medium"):
        size = "search_context_size_medium"
        kept["search_context_cost_per_query"] = {size: searches[size]}
    specific = entry.get("provider_specific_entry")
    factors = {k: v for k, v in specific.items() if k in SPECIFIC} if specific else {}
    return {**kept, "provider_specific_entry": factors} if factors else kept


def main() -> None:
    """Write the table of the wheel that the command line names."""
    wheel = Path(sys.argv[1])
    version = wheel.name.split("-")[1]
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(TABLE)
        (bill,) = [name for name in archive.namelist() if name.endswith(".cyclonedx.json")]
        made_at = json.loads(archive.read(bill))["metadata"]["timestamp"]
    date = datetime.fromisoformat(made_at).timestamp()
    genai, litellm = GenaiPrices(), LiteLLMPrices(data)
    models = {}
    for name, entry in json.loads(data).items():
        found = litellm.period(name, provider="", at=date)
        if entry.get("mode") not in MODES or found is None or found.card is None:
            continue
        if found.card.model != name.lower():
            continue
        bare = name.rpartition("/")[2]
        known = genai.period(bare, provider=found.card.provider, at=date)
        if lacks(known.card if known else None, found.card):
            models[name] = pruned(entry)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(models[name])}" for name in sorted(models))
    document = f'{{"version": "{version}", "date": {int(date)}, "models": {{\n{lines}\n}}}}\n'
    TARGET.write_text(document, encoding="utf-8")
    print(f"{len(models)} models of LiteLLM {version}")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
