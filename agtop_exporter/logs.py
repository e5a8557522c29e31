"""The log of the daemon."""

import logging
import os
import sys

import structlog

from agtop_exporter.settings import Settings

log = structlog.get_logger()

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class _Passing(logging.Handler):
    """Passes on what libraries, and what must not know structlog, have to tell."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


def configure_logging(settings: Settings) -> None:
    """Log to stderr as logfmt or JSON; the journal has a clock of its own."""
    own_clock = [] if "JOURNAL_STREAM" in os.environ else [structlog.processors.TimeStamper("iso")]  # noqa: TID251 - systemd's way to say so
    renderer = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.processors.LogfmtRenderer(
            key_order=("timestamp", "level", "msg"), drop_missing=True, bool_as_flag=False
        )
    )
    logging.basicConfig(handlers=[_Passing()])  # which does nothing the second time
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            *own_clock,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("msg"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
