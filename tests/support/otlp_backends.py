"""Activity for tests with real OTLP receivers, and comparisons with what they return."""

import re
from contextlib import contextmanager

import pytest
from running import daemon, total
from small_homes import TOKENS_OF_A_TURN, claude_answer, claude_file, claude_turns

FOREIGN = re.compile(r"host_|os_type|otel_scope_|process_|service_|__name__|instance|job")
"""Labels that a receiver makes of the resource."""
MOVING = re.compile(r"otlp|_timestamp|_duration|scan_|ledger|process|cpu|memory|disk")
BEFORE, ADDED = 10 * TOKENS_OF_A_TURN, 6 * TOKENS_OF_A_TURN


@contextmanager
def pushing(home, endpoint, **variables):
    """Run a daemon that pushes the existing history."""
    claude_file(home).write_text(claude_turns(1, range(10)))
    push = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_METRIC_EXPORT_INTERVAL": "500"}
    flags = ("--no-state", "--otlp")
    with daemon(home, *flags, AGTOP_SESSION_LINGER="1e9", **push, **variables) as running:
        yield running


def work(home):
    """Append to a transcript, and add a transcript of another model."""
    with claude_file(home).open("a") as file:
        file.write(claude_turns(1, range(10, 15)))
    claude_file(home, 2).write_text(claude_answer(2, 0, model="claude-opus-4-5"))


def page_after_work(running):
    """Return the samples of the page when it has all usage."""
    return running.until(lambda samples: total(samples, "agtop_tokens_total") == BEFORE + ADDED)


def assert_equal_views(found, page):
    """Compare all series of a receiver with a page, and the values that do not change."""
    found, page = _ours(found), _ours(page)
    assert set(found) == set(page)
    still = {key: value for key, value in page.items() if not MOVING.search(key[0])}
    assert len(still) > 30
    differ = {key: found[key] for key, value in still.items() if found[key] != pytest.approx(value)}
    assert not differ, {key: still[key] for key in differ}


def _ours(samples):
    """Normalize series: no empty labels, and equal texts for bucket bounds."""
    return {
        (
            name,
            tuple(
                (label, str(float(text)) if label == "le" else text)
                for label, text in labels
                if text and not FOREIGN.match(label)
            ),
        ): value
        for (name, labels), value in samples.items()
        if name.startswith("agtop_")
    }
