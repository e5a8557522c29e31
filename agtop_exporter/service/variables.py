"""Finds the environment variables that determine where agents write their files."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from agtop_exporter.agents import Agent


class Recorder(Mapping[str, str]):
    """A mapping of environment variables that records which variables were read."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.read: dict[str, str] = {}
        """The variables that were read and are set, with their values."""

    def __getitem__(self, name: str) -> str:
        value = self._environment[name]
        self.read[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)


def variables_of_agents(
    agents: Iterable[Agent],
    homes: Iterable[Path],
    environment: Mapping[str, str],
    *,
    responds: Callable[[Path], bool],
) -> dict[str, str]:
    """Return the variables in `environment` from which the agents derive their directories.

    An empty variable is left out, because agents ignore it. `responds` returns whether a directory
    responds. The settings of an agent in a directory that does not respond are not read.
    """
    recorder = Recorder(environment)
    for agent, home in itertools.product(agents, homes):
        if all(map(responds, agent.bases(home, recorder))):
            agent.roots(home, recorder)
    return {name: value for name, value in sorted(recorder.read.items()) if value}
