"""Implements `agtop-exporter statusline`, a command for the setting `statusLine` of an agent.

This module imports little, because an agent starts the command very often. It reads no settings, so
that a mistake in the settings does not remove the status line.
"""

import os
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter import limit_files
from agtop_exporter.agents import each_agent
from agtop_exporter.cli.output import write
from agtop_exporter.cli.places import user_state_directory
from agtop_exporter.model import AgtopError, StatusLine
from agtop_exporter.render import status_line

INPUT_BYTES_MAX = 1_000_000  # a longer document is not decoded
CHUNK_BYTES = 65_536


def run(options: Namespace) -> None:
    """Store the rate limits on standard input, and print a status line.

    If the option `pass_through` is set, the input is printed instead of the status line. Malformed
    input and a failure to store the limits are not treated as errors, because the agent would then
    show no status line.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        raise AgtopError("standard input is a terminal: an agent runs this command, see the README")
    now = time.time()  # noqa: TID251 - the edge; `wiring` imports the whole program
    chunks = _chunks()
    data = b""
    while len(data) <= INPUT_BYTES_MAX and (chunk := next(chunks, b"")):
        data += chunk
    line = _decoded(data, now) if len(data) <= INPUT_BYTES_MAX else None
    if line:
        _store(line, now, options.state_dir)
    if options.pass_through:
        write(data)
    for chunk in chunks:  # the rest of a document that is too long
        if options.pass_through:
            write(chunk)
    if not options.pass_through:
        write(status_line.text(line))


def _chunks() -> Iterator[bytes]:
    while sys.stdin is not None and (chunk := sys.stdin.buffer.read(CHUNK_BYTES)):
        yield chunk


def _decoded(data: bytes, now: float) -> StatusLine | None:
    """Return the status line data of the first agent that recognizes it."""
    readers = (agent.status_line for agent in each_agent() if agent.status_line)
    return next(filter(None, (read(data, now) for read in readers)), None)


def _store(line: StatusLine, now: float, state_directory: str | None) -> None:
    """Store the rate limits of a status line in the state directory.

    If `state_directory` is None, this is the directory in AGTOP_STATE_DIR, or else the default
    state directory of the user.
    """
    environment = os.environ  # noqa: TID251 - the edge, as above
    given = state_directory or environment.get("AGTOP_STATE_DIR")
    try:
        state = Path(given).expanduser() if given else user_state_directory()
        limit_files.store(state / limit_files.FOLDER, line, now)
    except (OSError, RuntimeError) as error:  # RuntimeError: the home is unknown
        reason = getattr(error, "strerror", None) or str(error)
        print(f"agtop-exporter: cannot store the rate limits: {reason}", file=sys.stderr)  # noqa: T201 - the user reads this
