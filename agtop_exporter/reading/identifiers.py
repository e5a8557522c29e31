"""Recognizes random ids. Does no I/O.

A provider gives each response a random id, which is unique. Routers, gateways and local servers can
write other ids, such as `resp_1`, which several responses have in common.
"""

import re

RANDOM_RUNS = 8  # minimum number of runs of digits, capitals or small letters in a random id

_RUNS = re.compile(r"[0-9]+|[a-z]+|[A-Z]+")


def is_random(identifier: str) -> bool:
    """Return whether an id looks random. Only one response can have a random id."""
    return len(_RUNS.findall(identifier)) >= RANDOM_RUNS
