"""The feed publishes each refresh, keeps its distance, survives errors and ends at once."""

import contextlib
import gc
import json
import threading
from contextlib import contextmanager
from datetime import UTC
from functools import partial
from time import monotonic

import pytest
from looking import EVENING, Look
from transcripts import Claude

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import AgtopError
from agtop_exporter.render import json as json_page
from agtop_exporter.reports import Calendar
from agtop_exporter.top.feed import END_SECONDS, Feed

PATIENCE_SECONDS = 30
MODEL = "claude-sonnet-4-5"


class Watched:
    """A feed over a home, and what it has published."""

    def __init__(self, home, *, delay_seconds=0.01, opens=None, state=None):
        self.home, self.state = home, state
        self.now = EVENING
        self.published = []
        self._news = threading.Condition()
        self.feed = Feed(
            opens or self.opened,
            clock=lambda: self.now,
            calendar=Calendar(UTC),
            delay_seconds=delay_seconds,
            changed=self._note,
        )

    @contextmanager
    def opened(self):
        """Open the pipeline."""
        look = Look(self.home, state=self.state)
        try:
            yield look.pipeline
        finally:
            look.close()

    def _note(self):
        with self._news:
            self.published.append((self.feed.rows, self.feed.failure, self.feed.progress))
            self._news.notify_all()

    def until(self, condition):
        """Wait until a condition of the feed holds."""
        with self._news:
            assert self._news.wait_for(lambda: condition(self.feed), PATIENCE_SECONDS)

    def __enter__(self):
        self.feed.start()
        return self

    def __exit__(self, *_problem):
        began = monotonic()
        self.feed.stop()
        assert not self.feed._thread.is_alive()  # noqa: SLF001 - what `stop` promises
        assert monotonic() - began < END_SECONDS


def chat(home, tokens=7, day="2026-03-02"):
    chat = Claude(home / ".claude/projects/-engine", "1" * 8, day=day, model=MODEL)
    chat.assistant("m-1", usage={"input_tokens": tokens, "output_tokens": 0})
    chat.write()
    return chat


def tokens(feed):
    return feed.rows.frame.snapshot.sessions[0].tokens.input if feed.rows else None


@pytest.mark.long
def test_new_records_are_published(tmp_path):
    written = chat(tmp_path)
    with Watched(tmp_path) as watched:
        watched.until(lambda feed: tokens(feed) == 7)
        assert watched.feed.rows.frame.today.tokens.input == 7
        written.assistant("m-2", usage={"input_tokens": 5, "output_tokens": 0})
        written.write()
        watched.feed.refresh_now()
        watched.until(lambda feed: tokens(feed) == 12)
        assert watched.feed.rows.frame.today.tokens.input == 12


@pytest.mark.long
def test_usage_of_other_days_is_not_of_today(tmp_path):
    chat(tmp_path, day="2026-03-01")
    with Watched(tmp_path) as watched:
        watched.until(lambda feed: feed.rows)
        assert watched.feed.rows.frame.today.tokens.total == 0
        assert watched.feed.rows.frame.usage is None
        watched.feed.wants_usage = True
        watched.feed.refresh_now()
        watched.until(lambda feed: feed.rows.frame.usage)
        assert [one.usage.tokens.input for one in watched.feed.rows.frame.usage] == [7]


@pytest.mark.slow
def test_the_ledger_is_shown_before_the_transcripts_are_read(tmp_path):
    chat(tmp_path)
    state = tmp_path / "state"
    look = Look(tmp_path, state=state)
    look.at()
    look.close()
    with Watched(tmp_path, state=state) as watched:
        watched.until(lambda feed: feed.rows and feed.rows.frame.complete)
    first = watched.published[0][0]
    assert not first.frame.complete
    assert first.frame.snapshot.sessions[0].tokens.input == 7


@pytest.mark.slow
def test_a_ledger_without_sessions_is_not_shown(tmp_path):
    """A first scan that was stopped leaves such a ledger. Its sums are zeros."""
    chat(tmp_path)
    state = tmp_path / "state"
    ledger = Ledger(state)
    ledger.commit()
    ledger.close()
    with Watched(tmp_path, state=state) as watched:
        watched.until(lambda feed: feed.rows)
    assert watched.published[0][0].frame.complete


@pytest.mark.slow
def test_the_first_scan_is_stored_once(tmp_path):
    """Later refreshes only read, so that a daemon can start."""
    chat(tmp_path)
    state, opened = tmp_path / "state", []

    @contextmanager
    def opens(*, read_only):
        opened.append(read_only)
        look = Look(tmp_path, ledger=Ledger(state, read_only=read_only))
        try:
            yield look.pipeline
        finally:
            look.close()

    watched = Watched(tmp_path, opens=partial(opens, read_only=True))
    watched.feed._open_writer = partial(opens, read_only=False)  # noqa: SLF001 - a part to replace
    with watched:
        watched.until(lambda feed: feed.rows and feed.rows.frame.complete)
        first = watched.feed.rows
        watched.until(lambda feed: feed.rows is not first)
        daemon = Ledger(state)
        assert [one.usage.tokens.input for one in daemon.sessions.values()] == [7]
        daemon.close()
        assert tokens(watched.feed) == 7
    assert opened == [False, True]


@pytest.mark.slow
def test_the_first_scan_is_shown_before_it_is_stored(tmp_path):
    chat(tmp_path)
    state, stored = tmp_path / "state", []

    @contextmanager
    def opens():
        look = Look(tmp_path, ledger=Ledger(state))
        try:
            yield look.pipeline
        finally:
            look.close()

    watched = Watched(tmp_path, state=state)
    note = watched.feed._changed  # noqa: SLF001 - a part to replace

    def look_at_the_file():
        with contextlib.closing(Ledger(state, read_only=True)) as ledger:
            stored.append(len(ledger.sessions))
        note()

    watched.feed._changed = look_at_the_file  # noqa: SLF001
    watched.feed._open_writer = opens  # noqa: SLF001
    with watched:
        watched.until(lambda feed: feed.rows and len(stored) > 1)
    assert stored[:2] == [0, 1]


@pytest.mark.long
def test_garbage_is_collected_after_the_first_refresh(tmp_path):
    with Watched(tmp_path) as watched:
        watched.until(lambda _feed: len(watched.published) > 1)
        assert gc.isenabled()


def test_garbage_is_collected_after_a_feed_that_found_nothing(tmp_path):
    def opens():
        raise AgtopError("cannot open")

    with Watched(tmp_path, opens=opens) as watched:
        watched.until(lambda feed: feed.failure)
    assert gc.isenabled()


@pytest.mark.long
def test_rates_need_a_second(tmp_path):
    chat(tmp_path)
    with Watched(tmp_path) as watched:
        watched.until(lambda feed: feed.rows)
        assert not watched.feed.rows.frame.rated
        watched.now += 0.5
        first = watched.feed.rows
        watched.feed.refresh_now()
        watched.until(lambda feed: feed.rows is not first)
        watched.now += 5
        watched.until(lambda feed: feed.rows.frame.rated)


@pytest.mark.long
def test_a_failed_refresh_is_reported_and_repeated(tmp_path, monkeypatch):
    chat(tmp_path)
    with Watched(tmp_path) as watched:
        watched.until(lambda feed: feed.rows)
        with monkeypatch.context() as patch:
            patch.setattr("agtop_exporter.top.feed.Frame", None)
            watched.feed.refresh_now()
            watched.until(lambda feed: feed.failure)
            assert watched.feed.failure.startswith("refresh: TypeError at agtop_exporter.top.feed")
        watched.until(lambda feed: not feed.failure)
        assert None in watched.feed.rows.frame.total.samples


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (AgtopError("cannot read the ledger"), "cannot read the ledger"),
        (ValueError("the text of a prompt"), "unexpected error: ValueError"),
    ],
)
def test_a_pipeline_that_does_not_open_is_reported(tmp_path, error, shown):
    @contextmanager
    def opens():
        raise error
        yield

    with Watched(tmp_path, opens=opens) as watched:
        watched.until(lambda feed: feed.failure)
        assert watched.feed.failure == shown


@pytest.mark.long
def test_a_paused_feed_refreshes_on_request_only(tmp_path):
    chat(tmp_path)
    watched = Watched(tmp_path)
    watched.feed.paused = True
    with watched:
        watched.until(lambda feed: feed.rows)
        first = watched.feed.rows
        watched.feed.refresh_now()
        watched.until(lambda feed: feed.rows is not first)
    assert len({id(rows) for rows, _, _ in watched.published if rows}) == 2


@pytest.mark.slow
def test_a_feed_that_works_ends_at_once(tmp_path):
    chat(tmp_path)
    hold = threading.Event()
    watched = Watched(tmp_path)

    @contextmanager
    def opens():
        with watched.opened() as pipeline:
            refresh = pipeline.refresh

            def slow(now, *, stopping, **more):
                hold.set()
                while not stopping():
                    pass
                return refresh(now, stopping=stopping, **more)

            pipeline.refresh = slow
            yield pipeline

    watched.feed._open_pipeline = opens  # noqa: SLF001 - replaces the pipeline of `watched`
    with watched:
        assert hold.wait(PATIENCE_SECONDS)
    assert watched.feed.rows is None


@pytest.mark.slow
def test_frames_equal_the_json_of_the_same_ledger(tmp_path):
    chat(tmp_path)
    state = tmp_path / "state"
    look = Look(tmp_path, state=state)
    document = json.loads(json_page.render(look.at()))
    look.close()
    with Watched(tmp_path, state=state) as watched:
        watched.until(lambda feed: feed.rows and feed.rows.frame.complete)
        found = json.loads(json_page.render(watched.feed.rows.frame.snapshot))
    for name in ("sessions", "totals"):
        assert found[name] == document[name]
