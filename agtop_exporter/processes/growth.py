"""Computes what each process has used since the last sample. Performs no I/O.

When a process waits for an ended child (reaps it), Linux adds the child's CPU time to the parent's
`cutime` and `cstime`, and the child's disk bytes to the parent's own (wait_task_zombie in the
kernel's exit.c). In this way, a child that started and ended between two samples is counted.

If the child was sampled before it ended, its figures would be counted twice. Until the parent reaps
the child, they are called its unreaped usage. They are subtracted from the growth of the parent.
"""

from collections.abc import Mapping

import msgspec

from agtop_exporter.processes.facts import ProcessId, ProcessSample

UnreapedUsage = tuple[int, int, int, int]
"""User CPU time and system CPU time in microseconds, bytes read, and bytes written.

They were counted for ended children, and will be added to the figures of the parent.
"""

NOTHING_UNREAPED: UnreapedUsage = (0, 0, 0, 0)


class ResourceTotals(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """CPU time and disk bytes; None if they could be read for no process."""

    user_microseconds: int | None = None
    system_microseconds: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None

    def __add__(self, other: "ResourceTotals") -> "ResourceTotals":
        return ResourceTotals(
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
    """Add two amounts of which either may be unknown; None if both are."""
    if left is None or right is None:
        return right if left is None else left
    return left + right


def newly_unreaped(
    before: Mapping[ProcessId, ProcessSample],
    now: Mapping[ProcessId, ProcessSample],
    *,
    owed: Mapping[ProcessId, UnreapedUsage],
) -> dict[ProcessId, UnreapedUsage]:
    """Return the unreaped usage of the processes that ended since the last sample, by parent.

    `owed` is the unreaped usage of the samples before, by parent. If the parent has ended as well,
    its own usage and all unreaped usage below it are added to those of the parent's parent.
    """
    by_pid = {process.pid: process for process in (*before, *now)}
    unreaped: dict[ProcessId, UnreapedUsage] = {}
    for process in sorted(before.keys() - now.keys(), key=_start_order, reverse=True):
        sample = before[process]
        below = _sum(unreaped.pop(process, NOTHING_UNREAPED), owed.get(process, NOTHING_UNREAPED))
        parent = by_pid.get(sample.parent_pid)
        if parent is not None and _start_order(parent) <= _start_order(process):
            unreaped[parent] = _sum(
                unreaped.get(parent, NOTHING_UNREAPED), _sum(_whole(sample), below)
            )
    return unreaped


def growth(
    sample: ProcessSample,
    before: ProcessSample | None,
    *,
    owed: UnreapedUsage,
    fresh: UnreapedUsage,
) -> tuple[ResourceTotals, UnreapedUsage]:
    """Return the usage of a process since `before`, and the part of `fresh` not reaped yet.

    `fresh` is the unreaped usage of children that ended since `before`. `owed` is that of children
    that ended one sample earlier: a parent may reap a child later than it ends. Unreaped usage is
    dropped after these two samples, because a parent may never reap its child.
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
    spent = ResourceTotals(
        _rise(sample.user_microseconds, before.user_microseconds, user),
        _rise(sample.system_microseconds, before.system_microseconds, system),
        None if sample.read_bytes is None else read,
        None if sample.written_bytes is None else written,
    )
    return spent, (user_left, system_left, read_left, written_left)


def _pay(grown: int, owed: int, fresh: int) -> tuple[int, int]:
    """Subtract unreaped usage from a growth; return the rest of the growth and of `fresh`."""
    grown = max(0, max(0, grown) - owed)
    return max(0, grown - fresh), max(0, fresh - grown)


def _rise(now: int | None, before: int | None, reaped: int) -> int | None:
    return None if now is None else max(0, now - (before or 0)) + reaped


def _whole(sample: ProcessSample) -> UnreapedUsage:
    return (
        (sample.user_microseconds or 0) + sample.reaped_user_microseconds,
        (sample.system_microseconds or 0) + sample.reaped_system_microseconds,
        sample.read_bytes or 0,
        sample.written_bytes or 0,
    )


def _sum(left: UnreapedUsage, right: UnreapedUsage) -> UnreapedUsage:
    return (left[0] + right[0], left[1] + right[1], left[2] + right[2], left[3] + right[3])


def _start_order(process: ProcessId) -> tuple[int, int]:
    return process.start_ticks, process.pid
