"""How much each process used since the last sample, each second and byte once; pure.

When a process waits for a child that has ended, Linux adds the child's time to the fields
`cutime` and `cstime` of its own, and the child's disk bytes to its own (wait_task_zombie in the
kernel's exit.c). A tool that came and went between two samples is counted by that; one that was
sampled before is a debt of its parent, whose growth pays it off.
"""

from collections.abc import Mapping

import msgspec

from agtop_exporter.processes.facts import ProcessId, ProcessSample

Debt = tuple[int, int, int, int]
"""User and system microseconds, bytes read and written that a parent's growth will repeat."""

NO_DEBT: Debt = (0, 0, 0, 0)


class Spent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Processor time and disk bytes; None until one process told them."""

    user_microseconds: int | None = None
    system_microseconds: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            plus(self.user_microseconds, other.user_microseconds),
            plus(self.system_microseconds, other.system_microseconds),
            plus(self.read_bytes, other.read_bytes),
            plus(self.written_bytes, other.written_bytes),
        )

    @property
    def cpu_microseconds(self) -> int | None:
        """User and system time."""
        return plus(self.user_microseconds, self.system_microseconds)


def plus(left: int | None, right: int | None) -> int | None:
    """Add what is known; None if neither is."""
    if left is None or right is None:
        return right if left is None else left
    return left + right


def new_debts(
    before: Mapping[ProcessId, ProcessSample],
    now: Mapping[ProcessId, ProcessSample],
    *,
    owed: Mapping[ProcessId, Debt],
) -> dict[ProcessId, Debt]:
    """Return, by parent, what the processes that ended since the last sample had been counted for.

    Where the parent has ended as well, it is the parent's parent that will repeat both, and what
    the parent still owed.
    """
    by_pid = {process.pid: process for process in (*before, *now)}
    debts: dict[ProcessId, Debt] = {}
    for process in sorted(before.keys() - now.keys(), key=_birth, reverse=True):
        sample = before[process]
        inherited = _sum(debts.pop(process, NO_DEBT), owed.get(process, NO_DEBT))
        parent = by_pid.get(sample.parent_pid)
        if parent is not None and _birth(parent) <= _birth(process):
            debts[parent] = _sum(debts.get(parent, NO_DEBT), _sum(_whole(sample), inherited))
    return debts


def growth(
    sample: ProcessSample, before: ProcessSample | None, *, owed: Debt, fresh: Debt
) -> tuple[Spent, Debt]:
    """Return what a process used since `before`, and what is left of the fresh debt.

    A parent may wait later than its child ends, so a debt is kept for one more sample (`owed`).
    It is not kept longer: a child whose parent does not wait is never repeated.
    """
    before = before or ProcessSample(sample.id)
    repeats = sample.disk_includes_reaped
    user, user_left = _pay(
        sample.reaped_user_microseconds - before.reaped_user_microseconds, owed[0], fresh[0]
    )
    system, system_left = _pay(
        sample.reaped_system_microseconds - before.reaped_system_microseconds, owed[1], fresh[1]
    )
    read, read_left = _pay(
        (sample.read_bytes or 0) - (before.read_bytes or 0),
        owed[2] if repeats else 0,
        fresh[2] if repeats else 0,
    )
    written, written_left = _pay(
        (sample.written_bytes or 0) - (before.written_bytes or 0),
        owed[3] if repeats else 0,
        fresh[3] if repeats else 0,
    )
    spent = Spent(
        _rise(sample.user_microseconds, before.user_microseconds, user),
        _rise(sample.system_microseconds, before.system_microseconds, system),
        None if sample.read_bytes is None else read,
        None if sample.written_bytes is None else written,
    )
    return spent, (user_left, system_left, read_left, written_left)


def _pay(grown: int, owed: int, fresh: int) -> tuple[int, int]:
    """Return what is left of a growth after the debts, and what is left of the fresh debt."""
    grown = max(0, max(0, grown) - owed)
    return max(0, grown - fresh), max(0, fresh - grown)


def _rise(now: int | None, before: int | None, reaped: int) -> int | None:
    return None if now is None else max(0, now - (before or 0)) + reaped


def _whole(sample: ProcessSample) -> Debt:
    return (
        (sample.user_microseconds or 0) + sample.reaped_user_microseconds,
        (sample.system_microseconds or 0) + sample.reaped_system_microseconds,
        sample.read_bytes or 0,
        sample.written_bytes or 0,
    )


def _sum(left: Debt, right: Debt) -> Debt:
    return (left[0] + right[0], left[1] + right[1], left[2] + right[2], left[3] + right[3])


def _birth(process: ProcessId) -> tuple[int, int]:
    return process.start_ticks, process.pid
