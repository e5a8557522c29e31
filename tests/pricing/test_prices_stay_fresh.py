"""Price tables are downloaded daily, kept across restarts, and never replaced by worse ones."""

import json
import stat
import subprocess
import sys
import threading

import pytest
import structlog
from price_tables import genai_model, genai_table, litellm_entry, litellm_table

from agtop_exporter.pricing import PriceBook, PriceRefresher
from agtop_exporter.pricing.downloads import download
from agtop_exporter.pricing.refresh import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, TTL_SECONDS

pytestmark = pytest.mark.integration

AT = 1_780_000_000.0
LITELLM = litellm_table(**{"gpt-99": litellm_entry()})
GENAI = genai_table(genai_model("gpt-98", {"input_mtok": 1, "output_mtok": 2}))


class Machine:
    """A network, a clock and a cache directory that a test can break."""

    def __init__(self, cache_dir):
        self.cache_dir = cache_dir
        self.now = AT
        self.fetched = []
        self.litellm = LITELLM
        self.genai = GENAI

    def fetch(self, url):
        """Return the download that the test has set."""
        self.fetched.append(url)
        data = self.litellm if "litellm" in url else self.genai
        if isinstance(data, Exception):
            raise data
        return data

    def start(self):
        """Return the price book of a new process after it has read the cache."""
        book = PriceBook()
        refresher = PriceRefresher(
            book,
            self.cache_dir,
            clock=lambda: self.now,
            fetch=self.fetch,
            jitter=lambda: 0.0,
        )
        refresher.load_cache()
        return book, refresher


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "cache" / "agtop")


def test_first_run_downloads_both(machine):
    book, refresher = machine.start()
    assert refresher.last_success is None
    assert refresher.refresh_due() == TTL_SECONDS
    assert len(machine.fetched) == 2
    assert all(url.startswith("https://") for url in machine.fetched)
    assert book.card("gpt-99", at=AT).source == "litellm"
    assert book.card("gpt-98", at=AT).source == "genai-prices"
    assert (refresher.refresh_errors, refresher.last_success) == (0, AT)


@pytest.mark.slow
def test_next_process_reads_the_cache_and_waits_for_its_day(machine):
    machine.start()[1].refresh_due()
    machine.now += TTL_SECONDS - 60
    book, refresher = machine.start()
    assert refresher.refresh_due() == 60
    assert len(machine.fetched) == 2
    assert book.card("gpt-99", at=AT) is not None
    assert book.card("gpt-98", at=AT) is not None
    assert refresher.last_success == AT
    machine.now += 61
    refresher.refresh_due()
    assert len(machine.fetched) == 4


def test_files_are_private_and_whole(machine):
    machine.start()[1].refresh_due()
    names = sorted(path.name for path in machine.cache_dir.iterdir())
    assert names == ["genai-prices.json", "litellm-prices.json", "price-refresh.json"]
    for path in machine.cache_dir.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(machine.cache_dir.stat().st_mode) == 0o700


def test_failures_back_off_and_are_remembered(machine):
    machine.litellm = machine.genai = OSError("no route")
    delays = []
    for restart in range(12):
        _, refresher = machine.start()
        delays.append(refresher.refresh_due())
        assert refresher.refresh_errors == 2, restart
        machine.now += delays[-1] - 1
        machine.start()[1].refresh_due()
        assert len(machine.fetched) == 2 * (restart + 1)
        machine.now += 1
    assert delays[:3] == [FIRST_RETRY_SECONDS, 2 * FIRST_RETRY_SECONDS, 4 * FIRST_RETRY_SECONDS]
    assert max(delays) == delays[-1] == LAST_RETRY_SECONDS


@pytest.mark.slow
@pytest.mark.parametrize(
    "bad", [b"", b"<html>", b"{}", b"[]", b"[1]", b'[{"id": "openai"}]', b"\0"]
)
def test_bad_download_leaves_the_old_table(machine, bad):
    book, refresher = machine.start()
    refresher.refresh_due()
    machine.litellm = machine.genai = bad
    refresher.refresh_due(force=True)
    assert refresher.refresh_errors == 2
    for prices in (book, machine.start()[0]):
        assert prices.card("gpt-99", at=AT) is not None
        assert prices.card("gpt-98", at=AT) is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["genai-prices.json", "litellm-prices.json"])
@pytest.mark.parametrize("damage", ["truncate", "garbage", "directory", "missing"])
def test_damaged_cache_is_ignored_counted_and_downloaded_again(machine, name, damage):
    machine.start()[1].refresh_due()
    path = machine.cache_dir / name
    data = path.read_bytes()
    path.unlink()
    if damage == "directory":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(data[:-9] if damage == "truncate" else b"\xff" * 100)
    machine.fetched.clear()
    book, refresher = machine.start()
    assert refresher.refresh_errors == 1
    assert book.card("claude-opus-4-1", at=AT) is not None
    refresher.refresh_due()
    assert len(machine.fetched) == 1
    assert book.card("gpt-99", at=AT) is not None
    assert book.card("gpt-98", at=AT) is not None


@pytest.mark.slow
@pytest.mark.parametrize("state", [b"", b"[]", b'{"litellm": 3}', b"{", b'{"x": {}}'])
def test_damaged_state_means_download_again(machine, state):
    machine.start()[1].refresh_due()
    (machine.cache_dir / "price-refresh.json").write_bytes(state)
    machine.start()[1].refresh_due()
    assert len(machine.fetched) == 4


@pytest.mark.slow
def test_download_made_under_another_package_version_is_not_trusted(machine):
    """A newer package bundles newer prices than an older download has."""
    machine.start()[1].refresh_due()
    path = machine.cache_dir / "price-refresh.json"
    state = json.loads(path.read_bytes())
    state["genai-prices"]["genai_version"] = "0.0.1"
    path.write_text(json.dumps(state))
    book, refresher = machine.start()
    assert book.card("gpt-98", at=AT) is None
    assert refresher.refresh_errors == 0
    refresher.refresh_due()
    assert len(machine.fetched) == 3
    assert book.card("gpt-98", at=AT) is not None


def test_clock_that_went_back_does_not_stop_refreshes(machine):
    machine.start()[1].refresh_due()
    machine.now -= 30 * TTL_SECONDS
    machine.start()[1].refresh_due()
    assert len(machine.fetched) == 4


def test_cache_that_cannot_be_written_costs_only_the_cache(machine):
    machine.cache_dir.parent.mkdir()
    machine.cache_dir.write_text("a file")
    book, refresher = machine.start()
    refresher.refresh_due()
    assert refresher.refresh_errors > 0
    assert book.card("gpt-99", at=AT) is not None


def test_jitter_spreads_machines(machine):
    refresher = PriceRefresher(
        PriceBook(),
        machine.cache_dir,
        clock=lambda: AT,
        fetch=machine.fetch,
        jitter=lambda: 1.0,
    )
    assert TTL_SECONDS < refresher.refresh_due() < 1.1 * TTL_SECONDS


def test_thread_refreshes_although_the_machine_is_suspended_in_between(machine):
    book = PriceBook()
    waits = []
    waiting = threading.Event()
    go_on = threading.Event()

    def wait(seconds):
        waits.append(seconds)
        machine.now += 2 * TTL_SECONDS  # suspended: no timer of the process runs
        if len(waits) == 2:
            waiting.set()
            go_on.wait(10)

    refresher = PriceRefresher(
        book, machine.cache_dir, clock=lambda: machine.now, fetch=machine.fetch, wait=wait
    )
    refresher.start()
    assert waiting.wait(10)
    assert book.card("gpt-99", at=AT) is not None
    assert len(machine.fetched) == 4
    go_on.set()
    refresher.stop()
    assert all(seconds <= 3600 for seconds in waits)
    assert not any(thread.name == "price-refresh" for thread in threading.enumerate())


@pytest.mark.slow
def test_slow_network_does_not_hold_up_a_caller(machine):
    arrived = threading.Event()

    def fetch(url):
        assert arrived.wait(10)
        return machine.fetch(url)

    book = PriceBook()
    refresher = PriceRefresher(book, machine.cache_dir, clock=lambda: AT, fetch=fetch)
    assert refresher.refresh_once(0.01) is False
    arrived.set()
    assert refresher.refresh_once() is True  # waits for the first one, then has nothing to do
    assert book.card("gpt-99", at=AT) is not None
    assert len(machine.fetched) == 2


def test_downloads_that_fail_together_are_one_message(machine):
    """Without a network, a command printed the same warning for each table."""
    machine.litellm = machine.genai = OSError("no route")
    _, refresher = machine.start()
    with structlog.testing.capture_logs() as logged:
        refresher.refresh_due()
    assert logged == [
        {
            "event": "price refresh failed",
            "log_level": "warning",
            "sources": "genai-prices, litellm",
            "error": "no route",
        }
    ]
    machine.litellm = b"{}"
    with structlog.testing.capture_logs() as logged:
        refresher.refresh_due(force=True)
    (entry,) = logged
    assert entry["error"].startswith("no route; ")
    assert refresher.refresh_errors == 4


def test_a_bug_in_a_download_does_not_end_the_refreshes(machine):
    machine.litellm = RuntimeError("unforeseen")
    book, refresher = machine.start()
    refresher.refresh_due()
    assert refresher.refresh_errors == 1
    assert book.card("gpt-98", at=AT) is not None


@pytest.mark.slow
def test_unreachable_host_is_an_os_error():
    with pytest.raises(OSError, match="download failed"):
        download("http://127.0.0.1:1/prices.json")


def test_bundled_prices_stay_behind_a_download(machine):
    book, refresher = machine.start()
    refresher.refresh_due()
    assert book.card("claude-opus-4-1", at=AT).provider == "anthropic"


def test_malformed_seller_in_a_download_is_left_to_the_bundled_table(machine):
    table = json.loads(GENAI)
    negative = genai_model("gpt-5", {"input_mtok": -1, "output_mtok": 2})
    table.append({"id": "x-ai", "name": "x", "api_pattern": "x", "models": [negative]})
    table.append({"id": "broken"})
    machine.genai = json.dumps(table).encode()
    book, refresher = machine.start()
    refresher.refresh_due()
    assert refresher.refresh_errors == 0
    assert book.card("gpt-98", at=AT) is not None
    assert book.card("grok-4.5", at=AT) is not None


WITHOUT_PRIVATE_FUNCTIONS = """
import sys
import genai_prices.types
for name in [name for name, it in vars(genai_prices.types).items() if callable(it)]:
    if name.startswith("_") and name.endswith("_raw"):
        delattr(genai_prices.types, name)
from agtop_exporter.pricing import PriceBook
book = PriceBook()
book.load("genai-prices", sys.stdin.buffer.read(), updated_at=1.0)
assert book.card("gpt-98", at=1.0)
"""


@pytest.mark.long
def test_private_functions_of_genai_prices_are_not_needed():
    """They may be renamed in any release; an `ImportError` would fail every refresh."""
    command = [sys.executable, "-c", WITHOUT_PRIVATE_FUNCTIONS]
    done = subprocess.run(command, input=GENAI, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.slow
def test_download_that_cannot_be_decoded_falls_back_to_the_bundled_table(machine, monkeypatch):
    """A later genai-prices may have types that do not accept today's table."""
    machine.start()[1].refresh_due()

    def refuse(*_arguments, **_options):
        raise AttributeError("no such attribute")

    monkeypatch.setattr("agtop_exporter.pricing.genai.decode_providers", refuse)
    book, refresher = machine.start()
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            assert book.card("claude-opus-4-1", at=AT).source == "genai-prices"
            assert book.card("gpt-98", at=AT) is None
    assert refresher.refresh_errors == 1
    assert [entry["event"] for entry in logged] == ["price refresh failed"]
    assert book.problems == ("the downloaded table of genai-prices cannot be used: AttributeError",)
    monkeypatch.undo()
    refresher.refresh_due(force=True)
    assert book.problems == ()
    assert book.card("gpt-98", at=AT) is not None
