"""Computes the resources that each process has used since the last sample. Performs no I/O.

When a process waits for an ended child (reaps the child), Linux adds the child's CPU time to the
parent's `cutime` and `cstime`, and adds the child's disk bytes to the parent's disk bytes
(wait_task_zombie in the kernel's exit.c). In this way, the usage of a child that started and ended
between two samples is counted.

The usage of a child that was sampled before its end would be counted twice: from its own samples,
and again after the parent reaps the child. Until then, the counted usage of an ended child is
called unreaped usage. Unreaped usage is subtracted from the growth of the parent.
"""

from collections.abc import Mapping

import msgspec

from agtop_exporter.processes.facts import ProcessId, ProcessSample

UnreapedUsage = tuple[int, int, int, int]
"""Usage of ended children: user and system CPU time in microseconds, bytes read, bytes written.

This usage has been counted. The system adds it to the usage of the parent when the parent reaps the
children.
"""

NOTHING_UNREAPED: UnreapedUsage = (0, 0, 0, 0)


class ResourceTotals(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Sums of CPU time and disk bytes; a sum is None if no process had a readable value."""

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
        """The sum of user and system CPU time; None if both are unknown."""
        return plus(self.user_microseconds, self.system_microseconds)


def plus(left: int | None, right: int | None) -> int | None:
    """Add two amounts. An unknown amount (None) counts as 0; return None if both are unknown."""
    if left is None or right is None:
        return right if left is None else left
    return left + right


def newly_unreaped(
    before: Mapping[ProcessId, ProcessSample],
    now: Mapping[ProcessId, ProcessSample],
    *,
    owed: Mapping[ProcessId, UnreapedUsage],
) -> dict[ProcessId, UnreapedUsage]:
    """Return the unreaped usage of the processes that have ended since the last sample.

    The result maps a parent to the unreaped usage of its ended children; the module docstring
    defines unreaped usage. `before` has the last samples, and `now` the new ones. `owed` maps a
    parent to the unreaped usage that was known at the last sample. If a parent has ended too, its
    own usage and the unreaped usage of its descendants are assigned to the grandparent.
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
    """Return the usage of a process since `before`, and the part of `fresh` that is still unreaped.

    `sample` is the current sample of the process, and `before` its last sample (None: new process).
    Unreaped usage is subtracted, because it has been counted already; the module docstring defines
    it. `fresh` is the unreaped usage of the children that have ended since `before`. `owed` is what
    was left of `fresh` one sample earlier, because a parent may reap a child late. It is not kept
    for a third sample, because a parent may never reap its child.
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
    """Return how much of the growth of a value is not unreaped usage.

    First `owed` and then `fresh` are subtracted from the growth `grown`. The second result is the
    part of `fresh` that exceeds the growth: it is still unreaped.
    """
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
