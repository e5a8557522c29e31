"""Labels with a fixed set of values.

Readers are annotated with the types, so that mypy rejects other values. The metrics derive their
limits and help texts from the tuples.
"""

from typing import Literal, get_args

ParseErrorReason = Literal[
    "json", "schema", "encoding", "too_large", "corrupt", "negative", "ambiguous"
]
"""Why a record was not used, was used only in part, or may be counted wrongly.

`json`: the record is not valid JSON. `schema`: fields have unexpected types or values. `encoding`:
the text is not valid UTF-8. `too_large`: the record, or the text of a compressed file, exceeds the
size limit. `corrupt`: the database or the compressed file is damaged. `negative`: a figure of the
event is below zero. `ambiguous`: the record is counted, but may be a copy of an earlier one: it has
neither an id nor a time.
"""

ResetReason = Literal["truncated", "rewritten", "replaced", "state", "deleted"]
"""Why the read position in a file was discarded.

`truncated`: the file is shorter than the position. `rewritten`: the same file has another content.
`replaced`: another file has this path. `state`: the reader state that is stored with the position
cannot be decoded. `deleted`: the file no longer exists.
"""

ProcessScanErrorReason = Literal[
    "access_denied", "other_mount_namespace", "other_pid_namespace", "other_user", "unreadable"
]
"""Why a process was left out or read in part.

`access_denied`: some figures of the process cannot be read. `other_mount_namespace` and
`other_pid_namespace`: the process runs in a container, and its session is unknown. `other_user`:
another user owns the process. `unreadable`: the system does not list its processes.
"""

SeriesLimit = Literal["sessions", "models", "tools", "projects"]
"""Label values that have a limit on their number of series."""

PriceSourceName = Literal["override", "genai-prices", "litellm"]
"""Price tables: the user's own prices, the genai-prices package and LiteLLM's list."""

PARSE_ERROR_REASONS: tuple[ParseErrorReason, ...] = get_args(ParseErrorReason)
RESET_REASONS: tuple[ResetReason, ...] = get_args(ResetReason)
PROCESS_SCAN_ERROR_REASONS: tuple[ProcessScanErrorReason, ...] = get_args(ProcessScanErrorReason)
SERIES_LIMITS: tuple[SeriesLimit, ...] = get_args(SeriesLimit)
PRICE_SOURCES: tuple[PriceSourceName, ...] = get_args(PriceSourceName)
