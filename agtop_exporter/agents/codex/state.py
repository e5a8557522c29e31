"""The reader state of a Codex rollout (transcript)."""

from datetime import datetime

from msgspec import field

from agtop_exporter.reading.open_calls import OpenCalls
from agtop_exporter.reading.repeats import Remembered
from agtop_exporter.reading.state import ReaderState


class RolloutState(ReaderState):
    """The data about one rollout (transcript) that is stored between two reads."""

    began: datetime | None = None  # the time of its first record
    thread_id: str = ""
    parent_id: str = ""
    family: str = ""  # id of another thread whose records have been found in this rollout
    own_ordinal: int = 0  # records with a smaller ordinal are copies
    turn_id: str = ""
    model: str = ""
    provider: str = ""  # billing provider, such as "openai", "azure" or "lmstudio"
    total: tuple[int, ...] = ()  # the running total up to which responses have been counted
    has_tasks: bool = False  # the file has records for the start and end of turns
    # the running total began in another rollout; false after the first response
    inherits: bool = False
    last_active: float | None = None  # unix seconds
    asked: bool = False  # a call asked for permission, and its result is missing
    calls: OpenCalls = field(default_factory=OpenCalls)
    speed: str = ""  # service tier, if it is not the standard one
    origin: str = ""  # id of the thread that was forked, or of the parent of this subagent
    has_records: bool = False  # each response has a `token_usage_record`
    falls: int = 0  # how often the running total has started again
    run_began: float = 0.0  # when the running total last started from zero again, in unix seconds
    without_total: int = 0  # number of token counts without a running total
    has_meta: bool = False  # the thread's own first record has been read
    created: float = 0.0  # when the thread was created, in unix seconds; 0 if unknown
    is_own: bool = False  # the replay has ended
    own_since: float = 0.0  # the time of the first record after the copies, in unix seconds
    seen: Remembered = field(default_factory=Remembered)  # counts, and records of turns
    keeps_times: bool = False  # copies have the times of their originals
    has_dated_ids: bool = False  # the ids of the thread and of its turns contain times
    has_dated_turns: bool = False  # a turn with a known start has been read
    previous: datetime | None = None  # the time of the last record that may be a copy
    version: int = 0  # 1; 0 in a state of a version without the fields above
    imports: bool = False  # the records belong to an imported conversation
    response_id: str = ""  # of the latest `token_usage_record`
    counted: tuple[int, ...] = ()  # the running total of the latest token count
    has_contexts: bool = False  # a `turn_context` has been read
    has_answers: bool = False  # the present turn has had a response
    next_model: str = ""  # selected for the next turn; "" if nothing was selected
    next_speed: str | None = None  # service tier of the next turn; None if nothing was selected
    # token counts of the latest usage records whose `token_count` has not been found
    unpaired: list[tuple[int, ...]] = field(default_factory=list)
