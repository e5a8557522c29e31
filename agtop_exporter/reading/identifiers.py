"""Recognizes random ids, and ids in the names of files. Does no I/O.

A provider gives each response a random id, which is unique. Routers, gateways and local servers can
write other ids, such as `resp_1`, which several responses have in common.
"""

import re

RANDOM_RUNS = 8  # minimum number of runs of digits, capitals or small letters in a random id

_RUNS = re.compile(r"[0-9]+|[a-z]+|[A-Z]+")
_MARK = re.compile(
    r" \([^()]*\)$"  # Dropbox, Nextcloud, web browsers
    r"|\.sync-conflict-[\w-]+$"  # Syncthing
    r"|(?<=[0-9a-f]{4})(?: \d{1,2}|_backup|\.\d{8}_\d{6})$"  # iCloud and others, after an id
)


def is_random(identifier: str) -> bool:
    """Return whether an id looks random. Only one response can have a random id."""
    return len(_RUNS.findall(identifier)) >= RANDOM_RUNS


def without_mark(stem: str) -> str:
    """Return the name of a file without the mark of a copy. `stem` has no suffix such as `.jsonl`.

    Programs that synchronize or back up files add the mark, and an agent without a session id in
    its records has the id in the name.
    """
    return _MARK.sub("", stem)
