"""The list shows the columns that fit, and the header its most important figures."""

import pytest
from top_views import frame, make_view, screen_of

from agtop_exporter.top.columns import COLUMNS
from agtop_exporter.top.listing import fitting


def titles(width):
    return {item.column.title for item in fitting(width)}


def test_a_medium_terminal_shows_what_a_session_is_and_does():
    assert titles(120) >= {"SESSION", "TITLE", "PID", "ACTIVITY"}


def test_a_large_terminal_shows_all_columns_without_the_detail():
    assert titles(200) == {column.title for column in COLUMNS}


@pytest.mark.slow
@pytest.mark.parametrize("width", range(60, 201))
def test_the_first_columns_stay(width):
    assert titles(width) >= {"STATE", "PROJECT", "COST$", "AGE"}


@pytest.mark.parametrize("width", range(70, 121))
def test_the_header_keeps_the_states_and_the_cost_per_hour(width):
    """Five states leave little space; today's tokens leave first."""
    first = screen_of(make_view(frame(), size=(width, 24))).splitlines()[0]
    for text in ("◆1 wait", "✖1 error", "▲1 stalled", "●1 run", "○1 idle", "$720.0/h", "21:54"):
        assert text in first
    assert "…" not in first
