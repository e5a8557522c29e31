"""Configures structlog for the daemon or for a command on a terminal.

Modules log with `structlog.get_logger()`. The command line configures structlog first, because an
unconfigured structlog writes to standard output.
"""

import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, NoReturn

import structlog

from agtop_exporter.settings import Settings

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}

# control characters except the line feed, and marks that change the order or the lines of a text
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

log = structlog.get_logger()


class _StructlogHandler(logging.Handler):
    """A handler that passes the messages of libraries from the standard logging to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - a log message must not stop a library
            self.handleError(record)


def log_as_daemon(settings: Settings, *, timestamps: bool) -> None:
    """Configure logging to stderr as logfmt or JSON, depending on the setting `log_format`.

    `timestamps` adds the time to each message.
    """
    renderer = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.processors.LogfmtRenderer(
            key_order=("timestamp", "level", "msg"), drop_missing=True, bool_as_flag=False
        )
    )
    _configure(
        LEVELS[settings.log_level],
        structlog.processors.add_log_level,
        *([structlog.processors.TimeStamper("iso")] if timestamps else []),
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("msg"),
        _escape,
        renderer,
    )


def _escape(
    _logger: Any,  # noqa: ANN401 - the signature of structlog
    _level: str,
    fields: MutableMapping[str, Any],
) -> Mapping[str, Any]:
    """Escape the control characters of file names and requests.

    The renderers escape line feeds.
    """
    return {
        name: CONTROL.sub(lambda found: ascii(found[0])[1:-1], value)
        if isinstance(value, str)
        else value
        for name, value in fields.items()
    }


def log_for_people(settings: Settings) -> None:
    """Configure logging to stderr as lines: `agtop-exporter: warning: cannot read: path=/a`."""
    _configure(LEVELS[settings.log_level], structlog.processors.format_exc_info, _plain_line)


def log_to(write: Callable[[str], None], settings: Settings) -> None:
    """Configure logging to pass each message to `write` as a line: `warning: cannot read: path=/a`.

    Nothing is written to stderr.
    """

    def give(_logger: Any, level: str, fields: MutableMapping[str, Any]) -> NoReturn:  # noqa: ANN401 - the signature of structlog
        write(_line(level, fields))
        raise structlog.DropEvent

    _configure(LEVELS[settings.log_level], structlog.processors.format_exc_info, give)


def log_nothing() -> None:
    """Configure logging so that every message is dropped."""
    _configure(LEVELS["error"], _drop)


def _configure(level: int, *processors: structlog.typing.Processor) -> None:
    logging.raiseExceptions = False  # messages that cannot be written are dropped
    logging.basicConfig(handlers=[_StructlogHandler()])  # a second call has no effect
    structlog.configure(
        processors=list(processors),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _drop(_logger: Any, _level: str, _fields: MutableMapping[str, Any]) -> NoReturn:  # noqa: ANN401 - the signature of structlog
    raise structlog.DropEvent


def _plain_line(_logger: Any, level: str, fields: MutableMapping[str, Any]) -> str:  # noqa: ANN401 - the signature of structlog
    return f"agtop-exporter: {_line(level, fields)}"


def _line(level: str, fields: MutableMapping[str, Any]) -> str:
    event = fields.pop("event")
    details = " ".join(f"{name}={on_one_line(value)}" for name, value in fields.items())
    return f"{level}: {event}" + (f": {details}" if details else "")


def on_one_line(value: object) -> str:
    """Return a value as one line of text.

    Control characters, which may be part of a path, are escaped.
    """
    text = str(value)
    return text if text.isprintable() else repr(text)
