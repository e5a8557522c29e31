"""Reads the registries in which some agents list their live processes."""

from collections.abc import Sequence
from pathlib import Path

from agtop_exporter.agents import Agent, Environment
from agtop_exporter.folders import Folders
from agtop_exporter.pipeline.guard import Guard, NoResponseError
from agtop_exporter.pipeline.steps import Steps
from agtop_exporter.processes.facts import ProcessTable
from agtop_exporter.signature import RegistryEntry


class Registries:
    """Reads the registries of all agents that list their live processes."""

    def __init__(  # noqa: PLR0913 - the parts of a pipeline that it works with
        self,
        agents: Sequence[Agent],
        homes: Sequence[Path],
        environment: Environment,
        *,
        steps: Steps,
        folders: Folders,
        guard: Guard,
    ) -> None:
        self._agents = [agent for agent in agents if agent.live_registry]
        self._homes = homes
        self._environment = environment
        self._steps = steps
        self._folders = folders
        self._guard = guard

    def read(self, table: ProcessTable) -> list[RegistryEntry]:
        """Return the entries of all registries.

        The registry of an agent is skipped if `table` shows that no agent process runs.
        """
        entries: list[RegistryEntry] = []
        for agent in self._agents:
            if not table.agents and table.shows_all_of(agent.name):
                continue
            with self._steps.step("match", agent.name):
                for home in self._homes:
                    entries += self._entries(agent, home)
        return entries

    def _entries(self, agent: Agent, home: Path) -> Sequence[RegistryEntry]:
        """Return the entries of one agent in one home; () if a file system does not respond."""
        read, environment = agent.live_registry, self._environment
        # lazy: `roots` may read the home, so the home is checked first
        places = (place for look in (_itself, agent.roots) for place in look(home, environment))
        if read is None or any(self._folders.trouble_with(str(place)) for place in places):
            return ()
        try:
            return self._guard.call(agent.name, lambda _beat: read(home, environment).entries)
        except NoResponseError:
            return ()


def _itself(home: Path, _environment: Environment) -> tuple[Path, ...]:
    return (home,)
