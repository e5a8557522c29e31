"""Derives the activity of a session from the steps of its conversation. Does no I/O.

A step is a prompt, an answer, a tool call or a checkpoint, and has a status. The numbers of step
types and statuses are from Antigravity's programs; see tests/agents/antigravity/README.
"""

from agtop_exporter.model import Signal
from agtop_exporter.reading.rows import TableRow

USER_INPUT, PLANNER_RESPONSE, CHECKPOINT = 14, 15, 23  # step types
PENDING, RUNNING, DONE, ERROR, GENERATING, WAITING, QUEUED = 1, 2, 3, 7, 8, 9, 11  # step statuses
AT_WORK = frozenset({PENDING, RUNNING, GENERATING, QUEUED})


class StepRow(TableRow):
    """A row of the table `steps`: the type, the status and the encoded metadata of one step."""

    idx: int = 0
    step_type: int = 0
    status: int = 0
    metadata: object = None
    permissions: object = None


def shared_key(row: StepRow, time: float) -> str:
    """Return the event key of a step and of its copies in forks of its conversation.

    `time` is the creation time of the step in unix seconds. It is recorded in nanoseconds, so steps
    of other conversations have other times. Return "" if the time is unknown.
    """
    return f"step:{row.idx}:{row.step_type}:{time}" if time else ""


def signal(last: StepRow) -> Signal:
    """Return the activity of a session (such as running or waiting), derived from its last step.

    If the status of the step has no known meaning, the activity is unknown.
    """
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
