"""Replaces files atomically: a reader finds either the old content or the new content.

This module imports little, because a command that an agent starts very often uses it.
"""

import contextlib
import os
from pathlib import Path

from agtop_exporter import platforms

DRAFT = ".draft"
"""The suffix of a new file before it replaces the old one.

A file with this suffix remains if the process is killed.
"""


def replace_file(path: Path, data: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
    """Replace the content of a file with `data`, or create the file. Raises OSError.

    `mode` are the permissions of the file. If `durable` is true, the data is on the disk before the
    file is replaced, so that the file is not empty after a crash of the system. After an error, the
    file is unchanged.
    """
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}{DRAFT}")
    try:
        with open(platforms.open_private(draft), "wb") as file:  # noqa: PTH123 - a descriptor
            platforms.set_mode(file.fileno(), mode)
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise
