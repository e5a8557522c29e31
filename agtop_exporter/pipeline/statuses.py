"""Completes the status of an agent with its processes, accounts and session states."""

from collections.abc import Mapping

import msgspec

from agtop_exporter.ledger import ACCOUNTS_MAX
from agtop_exporter.model import AgentStatus
from agtop_exporter.pipeline.guarded import Places
from agtop_exporter.pipeline.pairing import Pairing


def complete(  # noqa: PLR0913 - one value for each source of the facts
    status: AgentStatus,
    *,
    places: Places,
    plans: Mapping[str, str],
    states: Mapping[str, int],
    pairing: Pairing,
    is_down: bool,
    is_included: bool,
) -> AgentStatus:
    """Return an agent's status with the facts that do not come from the scan of its files.

    `status` is the result of the scan. `places` are the searched paths. `plans` has the
    subscription plan by account, and `states` the number of sessions by state. `pairing` has the
    processes. `is_down` is true if a step of the agent failed. `is_included` is true if a plan
    includes the usage of the agent.
    """
    names = sorted(set(places.accounts.values()))[:ACCOUNTS_MAX]
    status = msgspec.structs.replace(
        status,
        states=states,
        up=False if status.up and is_down else status.up,
        subscription=next(filter(None, plans.values()), None),
        accounts={name: plans.get(name) or None for name in names},
        included=is_included,
        roots=tuple(map(str, places.roots)),
    )
    usage = pairing.agent(status.agent, installed=status.enabled)
    if usage is None:
        return status
    return msgspec.structs.replace(status, **msgspec.structs.asdict(usage))
