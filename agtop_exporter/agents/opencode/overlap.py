"""Finds the cached tokens that OpenCode recorded as input too.

OpenCode subtracts cached tokens from the input of providers that include them. Two ranges of
versions did this wrongly, and calculated the cost from the wrong input. A session has the version
that created it only, so the time of a response shows the range. Nothing here does I/O.

* Before version 1.0.62 of 13 November 2025, nothing was subtracted
  (https://github.com/anomalyco/opencode/pull/4256). Only the APIs of Anthropic and Bedrock report
  an input without cached tokens.
* Version 1.3.4 of March 2026 and the versions of the next days subtracted nothing for those two
  APIs, although its library had begun to include cached tokens
  (https://github.com/anomalyco/opencode/issues/19757).
"""

from datetime import UTC, datetime

from agtop_exporter.agents.opencode.records import Vector

EXCLUDING = frozenset(  # providers with the API of Anthropic or Bedrock
    {"amazon-bedrock", "anthropic", "google-vertex-anthropic", "kimi-for-coding"}
    | {"minimax", "minimax-cn"}
)
WRITING = frozenset({"venice"})  # providers with another API that report cache writes
SUBTRACTED = datetime(2025, 11, 13, tzinfo=UTC).timestamp()
INCLUDED = datetime(2026, 3, 26, tzinfo=UTC).timestamp()
REPAIRED = datetime(2026, 4, 15, tzinfo=UTC).timestamp()


def cached_input(vector: Vector, provider: str, created: float) -> int:
    """Return the number of cached tokens that the recorded input includes by mistake.

    `created` is the time of the response in unix seconds; 0 means that it is unknown. An input with
    cached tokens is not smaller than their number. A provider that reports cache writes has one of
    the APIs that exclude them, except those in WRITING. With these APIs, OpenCode caches the whole
    prompt, so an input without cached tokens is only a few tokens.
    """
    prompt, _, _, read, write = vector
    excludes = provider in EXCLUDING or (write > 0 and provider not in WRITING)
    is_wrong = INCLUDED <= created < REPAIRED if excludes else 0 < created < SUBTRACTED
    return read + write if is_wrong and read + write <= prompt else 0
