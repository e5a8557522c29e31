"""Limits the caches of a process that runs for months."""

from typing import Any, Protocol

SPARE = 256  # results that a small page may leave unused


class Cached(Protocol):
    """A function with the decorator `functools.cache`."""

    def cache_info(self) -> Any: ...  # noqa: ANN401, D102 - a private type of functools

    def cache_clear(self) -> None: ...  # noqa: D102 - as of functools


def drop_if_outdated(cached: Cached, *, used: int) -> None:
    """Empty the cache of a function if most of the cached results are outdated.

    `used` is the number of results that the last page needed. The next page usually needs the same
    results, so a cache with more than twice as many results has more outdated ones than used ones.
    """
    if cached.cache_info().currsize > 2 * used + SPARE:
        cached.cache_clear()
