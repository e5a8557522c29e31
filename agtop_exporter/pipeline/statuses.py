"""Completes the status of an agent with its processes, accounts and session states."""

from collections.abc import Container, Mapping

import msgspec

from agtop_exporter.ledger import ACCOUNTS_MAX
from agtop_exporter.model import AgentStatus
from agtop_exporter.pipeline.guarded import GuardedFiles
from agtop_exporter.pipeline.pairing import Pairing
from agtop_exporter.pipeline.steps import Steps


class Statuses:
    """Adds the facts to a status that do not come from the scan of the agent's files."""

    def __init__(
        self,
        files: Mapping[str, GuardedFiles],
        plans: Mapping[str, Mapping[str, str]],
        pairing: Pairing,
        steps: Steps,
    ) -> None:
        """`files` has the files of each agent, and `plans` the subscription plan by account."""
        self._files = files
        self._plans = plans
        self._pairing = pairing
        self._steps = steps

    def complete(
        self, status: AgentStatus, *, states: Mapping[str, int], covered: Container[str]
    ) -> AgentStatus:
        """Return the complete status of an agent.

        `status` is the result of the scan. `states` has the number of sessions by state. `covered`
        has the agents whose usage the user's plan covers. The agent is not up if a step of the
        agent has failed in this refresh.
        """
        places = self._files[status.agent].places
        plans = self._plans.get(status.agent, {})
        names = sorted(set(places.accounts.values()))[:ACCOUNTS_MAX]
        status = msgspec.structs.replace(
            status,
            states=states,
            up=False if status.up and self._steps.is_down(status.agent) else status.up,
            subscription=next(filter(None, plans.values()), None),
            accounts={name: plans.get(name) or None for name in names},
            included=status.agent in covered,
            roots=tuple(map(str, places.roots)),
        )
        usage = self._pairing.agent(status.agent, installed=status.enabled)
        if usage is None:
            return status
        return msgspec.structs.replace(status, **msgspec.structs.asdict(usage))
