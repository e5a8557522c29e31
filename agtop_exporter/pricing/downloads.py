"""Downloads a price table from its public address."""

import time
from typing import NamedTuple

from agtop_exporter.pricing.lazy_genai import GENAI
from agtop_exporter.pricing.litellm import SOURCE as LITELLM

TABLE_BYTES_MAX = 32 * 1024 * 1024  # LiteLLM's table has 3 MB, genai-prices' 1.5 MB (November 2026)
DOWNLOAD_SECONDS = 60.0
SILENCE_SECONDS = 10.0  # time without a byte


class Source(NamedTuple):
    """A price table: its name, its address, and the name of the file with its last download."""

    name: str
    url: str
    file: str


SOURCES = (
    Source(
        GENAI,
        "https://raw.githubusercontent.com/pydantic/genai-prices/main/prices/new_data/v2/data.json",
        "genai-prices.json",
    ),
    Source(
        LITELLM,
        "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json",
        "litellm-prices.json",
    ),
)


def download(url: str) -> bytes:
    """Return the content of `url`. Raises OSError if this fails, is too slow or is too large.

    A redirect from https to another scheme is an error too.
    """
    import httpx  # noqa: PLC0415 - the import takes 0.1 s, and few processes download

    def check(request: httpx.Request) -> None:
        if url.startswith("https:") and request.url.scheme != "https":
            raise OSError(f"redirected to {request.url.scheme}: {url}")

    deadline = time.monotonic() + DOWNLOAD_SECONDS
    data = bytearray()
    try:
        with (
            httpx.Client(follow_redirects=True, event_hooks={"request": [check]}) as client,
            client.stream("GET", url, timeout=SILENCE_SECONDS) as response,
        ):
            response.raise_for_status()
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > TABLE_BYTES_MAX or time.monotonic() > deadline:
                    raise OSError(f"download too large or too slow: {url}")
    except httpx.HTTPError as error:
        raise OSError(f"download failed: {error}") from error
    return bytes(data)
