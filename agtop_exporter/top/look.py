"""`Look`: how values are shown. Also the formats that several parts of the view use."""

import re
from datetime import tzinfo

import msgspec

from agtop_exporter.render.table.columns import (
    MISSING,
    age,
    compact,
    local_time,
    short_path,
)
from agtop_exporter.top.spans import ASCII_MASK, ASCII_PENDING, MASK, PENDING, visible

UNKNOWN = MISSING
DATED = re.compile(r"-\d{8}$", re.ASCII)


class Look(msgspec.Struct, frozen=True):
    """How values are shown. `now` is in unix seconds; the default time zone is the machine's.

    `rated` is false as long as CPU and disk rates are unknown. If `masked` is true, titles, paths
    and projects are hidden.
    """

    now: float
    home: str = ""
    timezone: tzinfo | None = None
    ascii_only: bool = False
    masked: bool = False
    rated: bool = True

    def private(self, text: str) -> str:
        """Return a title, path or project, or the mask if such texts are hidden."""
        if self.masked:
            return ASCII_MASK if self.ascii_only else MASK
        return visible(text)

    def clock(self, time: float | None, form: str = "%Y-%m-%d %H:%M") -> str:
        """Return a time in the user's time zone; `-` if it is unknown or out of range."""
        moment = local_time(time, self.timezone)
        return f"{moment:{form}}" if moment else UNKNOWN

    def since(self, time: float | None) -> str:
        """Return the time from `time` until now, such as `5m`; `-` if it is unknown."""
        return UNKNOWN if time is None else age(self.now - time)


def short(number: float) -> str:
    """Return a rate as text, like `compact`, but large numbers have no decimal: 6.1k, 123k."""
    text = compact(number)
    return f"{text[:-3]}{text[-1]}" if len(text) > len("12.3k") else text


def pending(look: Look) -> str:
    """Return the sign of a value that is not known yet."""
    return ASCII_PENDING if look.ascii_only else PENDING


def percent(value: float) -> str:
    """Return a CPU usage in percent of one core as text: `7.2%`, `128%`."""
    return f"{value:.0f}%" if value >= 99.95 else f"{value:.1f}%"  # noqa: PLR2004 - rounds to 100.0


def per_second(value: float) -> str:
    """Return a number of bytes per second as text."""
    return f"{compact(max(0, value))}/s"


def model_name(model: str | None) -> str | None:
    """Return the name of a model without a date at its end, such as `-20250929`."""
    return None if model is None else DATED.sub("", model)


def path_text(path: str | None, look: Look) -> str:
    """Return a path with `~` for the home directory; `-` if it is unknown."""
    return look.private(short_path(path, look.home)) if path else UNKNOWN
