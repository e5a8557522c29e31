"""Writes the errors of the OpenTelemetry libraries to the log, without secrets.

The messages inform the user only. The result of an export, and not a message, determines whether
the export was delivered. The libraries log URLs with passwords and whole gRPC endpoints. Therefore
every message is redacted.
"""

import logging
import re
from collections.abc import Iterable

import structlog

LIBRARIES = ("opentelemetry", "urllib3")
REDACTED = "[redacted]"
SHORTEST_SECRET = 4  # characters; replacing shorter ones would make messages illegible

_USER_AND_PASSWORD = re.compile(r"(?<=//)[^/@\s]*@")
_QUERY = re.compile(r"\?[^\s'\")]*")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # address of a Python object, which always differs

log = structlog.get_logger()


class LibraryLog(logging.Handler):
    """A logging handler that does not repeat the last error until `delivered` is called."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Install this handler in the loggers of LIBRARIES. `secrets` are removed from messages."""
        super().__init__(logging.ERROR)
        self._secrets = sorted(secrets, key=len, reverse=True)
        self._last = ""
        for name in LIBRARIES:
            library = logging.getLogger(name)
            library.handlers = [self]
            library.propagate = False

    def delivered(self) -> None:
        """Record a delivered push. The next error is logged even if it equals the last error."""
        self._last = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the message of `record` without secrets and without its traceback."""
        try:
            message = redact(record.getMessage(), self._secrets)
            if message != self._last:
                log.warning("otlp library", message=message)
            self._last = message
        except Exception:  # noqa: BLE001 - a message must not end the push
            self.handleError(record)


def redact(message: str, secrets: Iterable[str]) -> str:
    """Return `message` without `secrets`, and without user names, passwords and queries of URLs."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            message = message.replace(secret, REDACTED)
    message = _USER_AND_PASSWORD.sub("", message)
    return _ADDRESS.sub("", _QUERY.sub("", message))
