"""Defines labels with a fixed set of values, and the label values of accounts.

Readers are annotated with these types, so that mypy rejects other values. The metrics derive their
limits and help texts from the tuples of values.
"""

import hashlib
import re
from typing import Literal, get_args

ACCOUNT = re.compile(r"[\w.-]{1,48}", re.ASCII)
"""The names of directories that are label values of accounts. An e-mail address does not match."""

ParseErrorReason = Literal[
    "json",
    "schema",
    "encoding",
    "too_large",
    "corrupt",
    "negative",
    "ambiguous",
    "unknown_usage",
]
"""Why a record was not used, was used only in part, or may be counted wrongly.

`json`: the record is not valid JSON. `schema`: fields have unexpected types or values. `encoding`:
the text is not valid UTF-8. `too_large`: the record, or the text of a compressed file, exceeds the
size limit. `corrupt`: the database or the compressed file is damaged. `negative`: a number in the
event, such as a token count, is below zero. `ambiguous`: the record has neither an id nor a time.
It is counted, although it may repeat an earlier record. `unknown_usage`: the record has usage, but
does not show what its numbers include. It is not counted.
"""

ResetReason = Literal["truncated", "rewritten", "replaced", "state", "deleted"]
"""Why the read position in a file was discarded.

`truncated`: the file is shorter than the position. `rewritten`: the content that was already read
has changed. `replaced`: another file has this path. `state`: the reader state that is stored with
the position cannot be decoded. `deleted`: the file no longer exists.
"""

ProcessScanErrorReason = Literal[
    "access_denied", "other_mount_namespace", "other_pid_namespace", "other_user", "unreadable"
]
"""Why a process was left out or read in part.

`access_denied`: some values of the process cannot be read. `other_mount_namespace` and
`other_pid_namespace`: the process runs in a container, and its session is unknown. `other_user`:
another user owns the process. `unreadable`: the operating system does not list the processes.
"""

SeriesLimit = Literal["sessions", "models", "tools", "projects", "accounts"]
"""The limits on the number of series: of sessions, models, tools, projects and accounts."""

PriceSourceName = Literal["override", "corrections", "genai-prices", "litellm"]
"""Price tables: the user's own prices, corrections in this package, genai-prices and LiteLLM's."""

PARSE_ERROR_REASONS: tuple[ParseErrorReason, ...] = get_args(ParseErrorReason)
RESET_REASONS: tuple[ResetReason, ...] = get_args(ResetReason)
PROCESS_SCAN_ERROR_REASONS: tuple[ProcessScanErrorReason, ...] = get_args(ProcessScanErrorReason)
SERIES_LIMITS: tuple[SeriesLimit, ...] = get_args(SeriesLimit)
PRICE_SOURCES: tuple[PriceSourceName, ...] = get_args(PriceSourceName)


def account_label(name: str, *, prefix: str = "account") -> str:
    """Return the label value of an account for the name of its directory, or of a user.

    `prefix` and a hash replace a name that is long, or has other characters than letters, digits,
    `-`, `_` and `.`, because it could be an e-mail address.
    """
    if ACCOUNT.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return f"{prefix}-{digest[:8]}"
