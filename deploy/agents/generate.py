"""Write the tables of agents from their declarations: `README.md` beside this file, and in README.

usage: python deploy/agents/generate.py

The table in the project's README is between the lines START and END. The tests compare both files
with this program.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from agtop_exporter.agents import Agent, load_agents
from agtop_exporter.doctor.not_read import UnreadAgent, unread_agents

PAGE = Path(__file__).with_name("README.md")
PROJECT = PAGE.parents[2] / "README.md"
START, END = "<!-- agents: written by deploy/agents/generate.py -->\n", "<!-- /agents -->\n"

HOME = Path("/nowhere/home")  # a home without files
OTHER_SYSTEMS = {"Library", "AppData"}  # folders of macOS and Windows
NOT_READ = """\
`agtop-exporter doctor` names those that are installed: one of these files or folders exists in a
home, or one of these programs is on the `PATH`. Their usage is not counted, and nothing is
estimated.
"""
LISTED = 2  # places of an agent in the project's README


class Recorder(Mapping[str, str]):
    """An empty environment that remembers the names of the variables that were looked up."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def __getitem__(self, name: str) -> str:
        self.names[name] = None
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def overview(agents: Iterable[Agent]) -> str:
    """Return the table of the project's README, with the first places of each agent."""
    rows = (
        (agent.title, _first(_places(agent)), agent.exact, agent.not_in_files, _versions(agent))
        for agent in agents
    )
    return _table(("agent", "location", "exact", "not in its files", "versions seen"), rows)


def page(agents: Iterable[Agent], unread: Iterable[UnreadAgent]) -> str:
    """Return the page with all details of the agents, and with the agents that are not read."""
    return "\n".join(
        (
            "# Agents\n",
            "`python deploy/agents/generate.py` writes this page.\n",
            *map(_section, agents),
            "## Agents that are not read\n",
            NOT_READ,
            _table(("agent", "recognized by", "why it is not read", "source"), map(_row, unread)),
        )
    )


def in_project(text: str, table: str) -> str:
    """Return the text of the project's README with another table of agents."""
    before, _, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PROJECT.name} lacks the lines {START!r} and {END!r}")
    return f"{before}{START}\n{table}\n{END}{after}"


def _section(agent: Agent) -> str:
    environment = Recorder()
    places = _places(agent, environment)
    agent.bases(HOME, environment)
    facts = (
        ("exact", agent.exact),
        ("not in its files", agent.not_in_files),
        ("versions seen", _versions(agent)),
        ("location", _code(places)),
        ("variables", _code(environment.names)),
        ("reasoning effort", agent.effort_source),
        ("not read", "; ".join(f"`~/{path}` ({reason})" for path, reason in agent.unread)),
        ("notes", f"[tests/agents/{agent.name}](../../tests/agents/{agent.name}/README.md)"),
    )
    rows = ((name, text) for name, text in facts if text)
    return f"## {agent.title}\n\n" + _table((f"`--agent {agent.name}`", ""), rows)


def _places(agent: Agent, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the places of an agent's transcripts, if no variable names other places."""
    roots = agent.roots(HOME, {} if environment is None else environment)
    return [root.as_posix().replace(HOME.as_posix(), "~") for root in roots]


def _first(places: list[str]) -> str:
    """Return the first places that are not of another system, and the number of further ones."""
    first = [place for place in places if not OTHER_SYSTEMS & set(Path(place).parts)][:LISTED]
    more = len(places) - len(first)
    return f"{_code(first)} and {more} more" if more else _code(first)


def _versions(agent: Agent) -> str:
    return ", ".join(agent.versions_seen) or "none (known from descriptions)"


def _row(agent: UnreadAgent) -> tuple[str, ...]:
    places = (f"~/{place}" for place in agent.places)
    return (agent.title, _code((*places, *agent.programs)), agent.reason, agent.source)


def _code(texts: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = (head, ("---",) * len(head), *rows)
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)


if __name__ == "__main__":
    found = load_agents()
    PAGE.write_text(page(found, unread_agents()), encoding="utf-8")
    project = PROJECT.read_text(encoding="utf-8")
    PROJECT.write_text(in_project(project, overview(found)), encoding="utf-8")
