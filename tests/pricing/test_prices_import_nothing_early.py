"""Importing the package and reading a cache do not import genai_prices, which takes 0.3 s."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

PROGRAM = """
import sys, pathlib
from agtop_exporter.pricing import PriceBook, PriceRefresher
book = PriceBook(overrides={"mine": {"input": 1, "output": 2}})
PriceRefresher(book, pathlib.Path(sys.argv[1]), clock=lambda: 1.0).load_cache()
assert book.card("", at=1.0) is None
early = {"genai_prices", "httpx", "httpx2", "pydantic"} & set(sys.modules)
assert not early, early
assert book.card("gpt-5", at=1.0)
assert "genai_prices" in sys.modules
assert "httpx" not in sys.modules
"""


@pytest.mark.long
def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
