"""Builds the result of a round of matching. Performs no I/O."""

import msgspec

from agtop_exporter.processes.facts import Matches, ProcessId
from agtop_exporter.processes.round import Round


def outcome(this: Round) -> Matches:
    """Return the result of `this`, a round of matching.

    If a process has ended since the last round, its binding has the liveness `stopped`. The next
    round drops this binding.
    """
    stopped = {
        key: msgspec.structs.replace(binding, liveness="stopped", status="", waiting_for="")
        for key, binding in this.previous.bindings.items()
        if binding.liveness == "live"
        and key in this.sessions
        and key not in this.bindings
        and binding.process not in this.running
    }
    hosted = {
        (key.agent, this.directory(this.sessions[key])): key
        for key, binding in sorted(this.bindings.items())
        if binding.role == "host" and this.sessions[key].facts.cwd
    }
    running = {binding.process for binding in this.bindings.values()}
    orphans: list[ProcessId] = []
    container_orphans: list[ProcessId] = []
    for item in this.groups:
        if item.leaf.container and item.leaf.id not in running and not this.settled(item):
            container_orphans += item.members
        elif item.role != "session" or this.settled(item):
            continue
        elif item.place in hosted:
            this.clients[item.leaf.id] = hosted[item.place]
        else:
            orphans.append(item.leaf.id)
    return Matches(
        bindings=this.bindings | stopped,
        leaves={member: item.leaf.id for item in this.groups for member in item.members},
        duplicates=this.duplicates,
        clients=this.clients,
        orphans=tuple(orphans),
        container_orphans=tuple(container_orphans),
        ended=this.ended,
        former_wrappers=this.former_wrappers,
        contested=this.contested,
        sampled_at=this.now,
        seen={
            session.key: session.facts.last_active
            for sessions in this.nearby.values()
            for session in sessions
        },
        written=this.written,
        written_before=this.previous.written,
    )
