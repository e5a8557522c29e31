"""The steps of a conversation: prompts, answers and tool calls, with their status.

The numbers are from the enumerations in Antigravity's programs; see
tests/agents/antigravity/README. Does no I/O.
"""

from agtop_exporter.model import Signal
from agtop_exporter.reading.rows import TableRow

USER_INPUT, PLANNER_RESPONSE, CHECKPOINT = 14, 15, 23  # step types
PENDING, RUNNING, DONE, ERROR, GENERATING, WAITING, QUEUED = 1, 2, 3, 7, 8, 9, 11  # step statuses
AT_WORK = frozenset({PENDING, RUNNING, GENERATING, QUEUED})


class StepRow(TableRow):
    """A row with one step."""

    idx: int = 0
    step_type: int = 0
    status: int = 0
    metadata: object = None
    permissions: object = None


def signal(last: StepRow) -> Signal:
    """Return the signal of a conversation from its last step; unknown for other statuses."""
    if last.status == WAITING:
        reason = "permission" if last.permissions else "input"
        return Signal("waiting", reason, "step.waiting")
    if last.status in AT_WORK:
        return Signal("running", "", "step.running")
    if last.status == ERROR:
        return Signal("error", "error", "step.error")
    if last.status == DONE:
        is_answer = last.step_type == PLANNER_RESPONSE
        return Signal("idle" if is_answer else "running", "", f"step.{last.step_type}")
    return Signal()
