"""Collects the messages that are logged while a block runs."""

from contextlib import contextmanager

from structlog.testing import capture_logs


@contextmanager
def logged_to(messages):
    """Append (level, event, fields) of each message to a list when the block ends."""
    with capture_logs() as entries:
        yield
    messages += [(entry.pop("log_level"), entry.pop("event"), entry) for entry in entries]
