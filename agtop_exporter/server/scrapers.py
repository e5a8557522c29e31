"""Stores which publication each scraper received last; see `metrics.publication`.

Prometheus, its agents and VictoriaMetrics send the header X-Prometheus-Scrape-Timeout-Seconds with
each scrape; browsers and curl do not. Source: `scrape/scrape.go` in the Prometheus repository.
"""

from collections.abc import Collection, Mapping
from hashlib import blake2b

import msgspec

from agtop_exporter.metrics.publication import NEW_SECONDS

TIMEOUT_HEADER = "x-prometheus-scrape-timeout-seconds"
SCRAPERS_MAX = 32  # a request can have any headers
RESUMED = 0  # the generation of the last publication of an earlier process


class _Received(msgspec.Struct, frozen=True, gc=False):
    generation: int
    at: float  # time of the publication in unix seconds


def scraper_of(host: str, headers: Mapping[str, str]) -> str:
    """Return the identity of the scraper that sent a request; "" if it is not a scraper.

    Scrapers on one host differ by their program or by their timeout. The identity is a digest.
    """
    timeout = headers.get(TIMEOUT_HEADER)
    if timeout is None:
        return ""
    text = f"{host}\0{headers.get('user-agent', '')}\0{timeout}"
    return blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


class Scrapers:
    """Stores the last publication of each scraper, from this or from an earlier process."""

    def __init__(self, state: bytes = b"", *, now: float) -> None:
        """Start with the scrapers in `state`, the result of `encode` in an earlier process.

        They are assumed to have received the last publication of that process. `now` is in unix
        seconds.
        """
        try:
            names = msgspec.msgpack.decode(state or b"\x90", type=list[str])
        except msgspec.MsgspecError:
            names = []
        self._received = {name: _Received(RESUMED, now) for name in names[:SCRAPERS_MAX]}

    def encode(self) -> bytes:
        """Return the identities of the scrapers as bytes."""
        return msgspec.msgpack.encode(sorted(self._received))

    def last(self, scraper: str) -> int | None:
        """Return the generation that a scraper received last; None for an unknown scraper."""
        received = self._received.get(scraper)
        return received.generation if received else None

    def note(self, scraper: str, generation: int, *, at: float) -> None:
        """Store that a scraper received a publication, which was made at `at` (unix seconds)."""
        self._received.pop(scraper, None)
        while len(self._received) >= SCRAPERS_MAX:
            self._received.pop(next(iter(self._received)), None)
        self._received[scraper] = _Received(generation, at)

    def received(self, at: float) -> bool:
        """Return whether `at` is the time of the last publication that some scraper received."""
        return any(received.at == at for received in tuple(self._received.values()))

    def generations(self, now: float) -> Collection[int]:
        """Return the generations that the scrapers received last.

        A scraper is deleted if its last publication is older than NEW_SECONDS at `now` (unix
        seconds).
        """
        for name, received in tuple(self._received.items()):
            if not 0 <= now - received.at < NEW_SECONDS:
                self._received.pop(name, None)
        return {received.generation for received in tuple(self._received.values())}
