"""Prometheus servers with different intervals see the same growth, also beside other readers.

A Prometheus 3 that comes later sees the growth from before its first scrape, if it uses the
creation times of the series. `TEST_AGTOP_PROMETHEUS3` is the path of its program.
"""

import os

import pytest
from prometheus_server import configuration, free_port, running_prometheus
from running import daemon, total
from small_homes import TOKENS_OF_A_TURN, claude_answer, claude_file, claude_turns

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PROMETHEUS_3 = os.environ.get("TEST_AGTOP_PROMETHEUS3")
TOKENS = "agtop_tokens_total"
OLD, NEW = "claude-sonnet-4-5-20250929", "claude-opus-4-5"


def growth(server, model=NEW):
    """Return the sum of the increases between the samples of a model's series."""
    found = server.samples(f'{TOKENS}{{model="{model}"}}[1h]')
    return sum(values[-1][1] - values[0][1] for _, values in found)


@pytest.mark.long
def test_a_new_model_is_counted_by_both(tmp_path):
    home = tmp_path / "home"
    claude_file(home, 1).write_text(claude_turns(1, range(3)))
    address = f"127.0.0.1:{free_port()}"
    folders = [tmp_path / name for name in ("fast", "slow")]
    for folder in folders:
        folder.mkdir()
    fast, slow = (
        configuration(folder, address, scrape=scrape)
        for folder, scrape in zip(folders, ("300ms", "4s"), strict=True)
    )
    flags = ("--listen-address", address, "--state-dir", tmp_path / "state")
    with (
        running_prometheus(folders[0], fast) as (often, _),
        running_prometheus(folders[1], slow) as (rarely, _),
        daemon(home, *flags, interval=0.2) as running,
    ):
        for server in (often, rarely):
            server.until(lambda server=server: server.now(TOKENS))
        claude_file(home, 2).write_text(claude_answer(2, 0, model=NEW))
        running.until(lambda samples: total(samples, TOKENS, model=NEW) == TOKENS_OF_A_TURN)
        running.get("/metrics")  # a person who looks is no scraper
        for server in (often, rarely):
            server.until(lambda server=server: growth(server) == TOKENS_OF_A_TURN)


@pytest.mark.skipif(not PROMETHEUS_3, reason="no Prometheus 3 in TEST_AGTOP_PROMETHEUS3")
def test_a_late_prometheus_3_counts_a_new_model_but_no_history(tmp_path):
    home = tmp_path / "home"
    claude_file(home, 1).write_text(claude_turns(1, range(3)))
    address = f"127.0.0.1:{free_port()}"
    path = configuration(tmp_path, address, scrape="300ms")
    with daemon(home, "--listen-address", address, interval=0.2) as running:
        running.until(lambda samples: total(samples, TOKENS))
        claude_file(home, 2).write_text(claude_answer(2, 0, model=NEW))
        running.until(lambda samples: total(samples, TOKENS, model=NEW) == TOKENS_OF_A_TURN)
        flag = "--enable-feature=created-timestamp-zero-ingestion"
        with running_prometheus(tmp_path, path, flag, program=PROMETHEUS_3) as (late, _):
            late.until(lambda: growth(late) == TOKENS_OF_A_TURN)
            assert growth(late, OLD) == 0
