"""Opens the usage history for the reports, and reads the options that all reports have."""

import contextlib
from argparse import Namespace
from collections.abc import Iterator, Sequence
from datetime import date, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import structlog

from agtop_exporter.cli.arguments import UsageError
from agtop_exporter.cli.snapshot import refresh, with_prices
from agtop_exporter.cli.wiring import environment, now, one_shot, state_directory
from agtop_exporter.ledger import History, UsageHistory, is_locked, last_writer_started_at
from agtop_exporter.logs import log_for_people, on_one_line
from agtop_exporter.model import HourlyUsage, RateLimit
from agtop_exporter.reports import WEEKDAYS, Calendar, Span, first_weekday
from agtop_exporter.settings import Settings, suggestion

EARLIEST = 366 * 86_400.0  # unix seconds; there is no earlier usage
LOCALE_VARIABLES = ("LC_ALL", "LC_TIME", "LANG")  # the first one that is set counts


@contextlib.contextmanager
def history(settings: Settings, *, age_seconds_max: float = 0.0) -> Iterator[UsageHistory]:
    """Scan the agents' files, and yield the usage in the ledger.

    The scan is left out if another process writes the ledger, or if the last process that wrote it
    started at most `age_seconds_max` seconds ago. If the ledger has no usage yet, the scan is never
    left out.
    """
    directory = None if settings.no_state else state_directory(settings)
    if directory is not None and _is_current(directory, age_seconds_max):
        log_for_people(settings)
        with contextlib.closing(History(directory)) as found:
            if not found.is_new:
                yield found
                if found.warning:
                    structlog.get_logger().warning(found.warning)
                return
    with one_shot(settings) as pipeline:
        with_prices(pipeline, settings, lambda: refresh(pipeline, now()))
        yield pipeline.ledger


def _is_current(directory: Path, age_seconds_max: float) -> bool:
    if is_locked(directory):
        return True
    started_at = last_writer_started_at(directory)
    return started_at is not None and 0 <= now() - started_at < age_seconds_max


def usage_in(found: UsageHistory, span: Span, settings: Settings) -> Sequence[HourlyUsage]:
    """Return the usage in a range of hours, of the agents that the settings select."""
    usage = found.usage_between(span.start, span.end)
    return [one for one in usage if not settings.agent or one.agent in settings.agent]


def limits_in(found: UsageHistory, settings: Settings) -> list[RateLimit]:
    """Return the rate limits of the agents that the settings select."""
    limits = found.rate_limits.values()
    return [one for one in limits if not settings.agent or one.agent in settings.agent]


def calendar_of(options: Namespace) -> Calendar:
    """Return the time zone and the first day of the week, from the options or the locale.

    Raises UsageError if there is no such time zone.
    """
    given = [environment().get(name) for name in LOCALE_VARIABLES]
    week_start = first_weekday(next(filter(None, given), ""))
    if getattr(options, "week_start", None):
        week_start = WEEKDAYS.index(options.week_start)
    return Calendar(_timezone(options.timezone) if options.timezone else None, week_start)


def day_of(value: date | float | None) -> date | None:
    """Return the value of an option such as `--since` as a local date.

    The value is a date if the option follows the name of the command. If the option precedes the
    name, the parser of the table command has read it, and the value is a time in unix seconds. A
    time before EARLIEST becomes EARLIEST.
    """
    if not isinstance(value, float):
        return value
    return datetime.fromtimestamp(max(value, EARLIEST)).astimezone().date()


def _timezone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        known = sorted(available_timezones())
        if not known:
            why = "the time zones of this system are missing: install the package tzdata"
            raise UsageError(f"--timezone: {why}") from error
        meant = suggestion(name, known)
        hint = f"did you mean {meant}?" if meant else "use a name such as Europe/Berlin"
        raise UsageError(f"--timezone: no such time zone: {on_one_line(name)}; {hint}") from error
