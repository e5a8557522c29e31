"""Converts the values of command-line options. Each function raises argparse.ArgumentTypeError."""

import argparse
import math
import re
from datetime import UTC, datetime, tzinfo

from agtop_exporter.model import SECONDS_PER_HOUR

SECONDS_PER_DAY = 86_400
SHORTEST_DELAY_SECONDS = 1.0
SHORTEST_STEP_SECONDS = 15  # no scrape is more frequent; half a year takes 17 GB
LABEL_NAME = re.compile("(?!__)[a-zA-Z_][a-zA-Z0-9_]*")


def delay(text: str) -> float:
    """Return a number of seconds, at least SHORTEST_DELAY_SECONDS and at most a day."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= SECONDS_PER_DAY:
        expected = f"a number of seconds greater than 0, at most {SECONDS_PER_DAY}"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return max(SHORTEST_DELAY_SECONDS, seconds)


def moment(text: str, default: tzinfo | None = UTC) -> float:
    """Return a day or a time as unix seconds.

    `default` is the time zone of a text without one; None means the time zone of the machine.
    """
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=default)).timestamp()
    except (ValueError, OverflowError) as error:
        expected = "a day such as 2026-03-01 or a time such as 2026-03-01T14:30:00Z"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}") from error


def step(text: str) -> int:
    """Return a number of seconds that divides an hour, at least SHORTEST_STEP_SECONDS."""
    seconds = int(text) if text.isascii() and text.isdecimal() else 0
    if seconds < SHORTEST_STEP_SECONDS or SECONDS_PER_HOUR % seconds:
        expected = f"a number of seconds from {SHORTEST_STEP_SECONDS} that divides an hour"
        raise argparse.ArgumentTypeError(f"expected {expected}, such as 60, got {text!r}")
    return seconds


def label(text: str) -> tuple[str, str]:
    """Return the name and the value of a Prometheus label."""
    name, equals, value = text.partition("=")
    if not equals or not value or not LABEL_NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE such as job=agtop, got {text!r}")
    return name, value
