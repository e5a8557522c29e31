"""Rows are complete and sorted by urgency, and keep their places while the cursor moves."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshots import make_snapshot
from top_views import DAY, HOUR, NOW, frame, make_view, screen_of, session, sessions

from agtop_exporter.model import STATE_KINDS
from agtop_exporter.top.actions import SORTS
from agtop_exporter.top.columns import BY_TITLE
from agtop_exporter.top.order import ATTENTION, SCOPES, in_earlier_order, in_scope, sort
from agtop_exporter.top.rows import Rows

SESSIONS = st.lists(
    st.builds(
        session,
        st.integers(1, 50),
        st.sampled_from(["a", "b", None]),
        st.sampled_from(["x", None, "文"]),
        st.sampled_from(STATE_KINDS),
        last_active=st.one_of(st.none(), st.floats(NOW - 40 * DAY, NOW)),
    ),
    max_size=12,
    unique_by=lambda one: one.session_id,
)


def rows_of(shown):
    return Rows(frame(snapshot=make_snapshot(*(shown or sessions()))))


@pytest.mark.slow
@given(SESSIONS, st.sampled_from(SORTS), st.booleans())
def test_sorting_loses_no_row(shown, column, flipped):
    rows = rows_of(shown).top
    found = sort(rows, column, flipped=flipped)
    assert sorted(row.key for row in found) == sorted(row.key for row in rows)
    if column != ATTENTION:
        values = [BY_TITLE[column].sort(row) for row in found]
        known = [value for value in values if value is not None]
        assert values == known + [None] * (len(values) - len(known))
        falls = BY_TITLE[column].rises == flipped
        assert known == sorted(known, reverse=falls)


@given(SESSIONS)
def test_scopes_contain_each_other(shown):
    rows = rows_of(shown)
    live, today, every = (in_scope(rows, scope, NOW - HOUR) for scope in SCOPES)
    assert live == [row for row in every if row.is_open]
    assert today == [row for row in every if row.is_open or row.last_active >= NOW - HOUR]
    assert len(every) == len({row.key for row in every}) == len(rows.top)


@pytest.mark.slow
@given(SESSIONS)
def test_the_latest_activity_comes_first(shown):
    times = [row.last_active for row in rows_of(shown).top if row.last_active < NOW - 60]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("seconds", [0, 1, 30, 59])
def test_sessions_that_run_do_not_change_places(seconds):
    first, second = session(1, "a", "x", "running"), session(2, "b", "y", "running")
    second = msgspec.structs.replace(second, last_active=NOW - 30)
    first = msgspec.structs.replace(first, last_active=NOW - seconds)
    rows = [row.session.project for row in rows_of((second, first)).top if row.session]
    assert rows == ["a", "b"]


@pytest.mark.slow
@given(SESSIONS, st.permutations(range(12)))
def test_an_earlier_order_is_kept(shown, order):
    rows = rows_of(shown).top
    earlier = [rows[place].key for place in order if place < len(rows)][::2]
    found = [row.key for row in in_earlier_order(rows, earlier)]
    assert [key for key in found if key in earlier] == earlier
    assert sorted(found) == sorted(row.key for row in rows)


def test_who_needs_the_user_comes_first():
    found = sort(rows_of(()).top, ATTENTION, flipped=False)
    kinds = [row.session.state.kind if row.session else "process" for row in found]
    assert kinds[:6] == ["waiting", "error", "warning", "running", "idle", "process"]
    assert set(kinds[6:]) == {"closed"}


def test_a_process_without_a_session_is_a_row():
    found = [row for row in rows_of(()).top if row.session is None]
    assert [(row.agent, row.pid, row.usage.rss_bytes) for row in found] == [("codex", 5000, 66e6)]


def test_subagents_have_their_own_usage_and_no_process():
    rows = rows_of(())
    parent = next(row for row in rows.top if row.subagents)
    below = rows.below(parent.session)
    assert [row.depth for row in below] == [1, 2]
    assert all(row.usage is None and row.pid is None and not row.is_live for row in below)
    whole = parent.session.tree.tokens
    own = sum((row.session.tree.tokens for row in below), parent.session.tokens)
    assert own == whole


def test_sessions_that_name_each_other_as_parents_end():
    one, other = session(1, "a", "x", "idle"), session(2, "a", "y", "idle")
    one = msgspec.structs.replace(one, children=(other.session_id,))
    other = msgspec.structs.replace(
        other, children=(one.session_id,), parent_session_id=one.session_id
    )
    rows = rows_of((one, other))
    assert len(rows.below(one)) == 2


def test_of_sessions_that_are_parents_of_each_other_one_is_a_row():
    one, other = session(1, "a", "x", "idle"), session(2, "a", "y", "idle")
    one = msgspec.structs.replace(one, parent_session_id=other.session_id)
    other = msgspec.structs.replace(other, parent_session_id=one.session_id)
    rows = rows_of((one, other))
    assert len([row for row in rows.top if row.session]) == 1


def closed(project):
    """Return the usual rows, but the session of a project is closed."""
    shown = [
        msgspec.structs.replace(one, state=session(1, "", "", "closed").state)
        if one.project == project
        else one
        for one in sessions()
    ]
    return Rows(frame(snapshot=make_snapshot(*shown)))


def projects(view, now):
    return [line.split()[3] for line in screen_of(view, now).splitlines()[3:9]]


def test_rows_keep_their_places_after_a_cursor_key():
    view = make_view()
    before = projects(view, NOW)
    view.act(NOW, "move", 1)
    view.receive(closed("docs"))
    assert projects(view, NOW + 0.9)[1:] == before[1:]
    assert projects(view, NOW + 1.1) != before


def test_the_cursor_follows_its_session():
    view = make_view()
    view.act(NOW, "move", 2)
    selected = view.state.cursors["sessions"]
    view.receive(closed("docs"))
    screen_of(view, NOW + 5)
    moved = view.state.cursors["sessions"]
    assert moved.key == selected.key
    assert moved.index == selected.index - 1


def test_a_cursor_on_the_first_line_stays_there():
    view = make_view()
    assert "docs" in selected(view, NOW)
    view.receive(closed("docs"))
    assert "billing" in selected(view, NOW + 5)
    assert view.state.cursors["sessions"].top == 0


def test_an_open_detail_stays_that_of_its_session():
    view = make_view(size=(120, 40))
    view.act(NOW, "open")
    view.receive(closed("docs"))
    assert "docs" in selected(view, NOW + 5)
    assert "project docs" in screen_of(view, NOW + 5)


def selected(view, now):
    return next(line for line in screen_of(view, now).splitlines() if line.startswith("▌"))


def test_a_cursor_whose_session_vanishes_stays_in_place():
    view = make_view()
    view.act(NOW, "move", 2)
    key = view.state.cursors["sessions"].key
    left = [one for one in sessions() if one.session_id != key[1]]
    view.receive(Rows(frame(snapshot=make_snapshot(*left))))
    screen_of(view, NOW + 5)
    assert view.state.cursors["sessions"].index == 2
    assert view.state.cursors["sessions"].key != key


@pytest.mark.slow
@pytest.mark.parametrize("height", [12, 24, 40])
@given(st.lists(st.sampled_from([-99, -7, -1, 1, 3, 7, 99]), max_size=12))
def test_the_cursor_is_always_in_sight(height, moves):
    view = make_view(frame(*many(60)), size=(80, height))
    for by in moves:
        view.act(NOW, "move", by)
        assert any(line.startswith("▌") for line in screen_of(view).splitlines()[3:-1])


def many(number):
    return [session(place + 1, f"project{place}", None, "idle") for place in range(number)]
