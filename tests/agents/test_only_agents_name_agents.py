"""No module outside of `agents` names an agent, so that adding one needs no other change."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

import agtop_exporter
from agtop_exporter.agents import load_agents
from agtop_exporter.doctor.not_read import unread_agents

PACKAGE = Path(agtop_exporter.__file__).parent
AGENTS = load_agents()
UNREAD = unread_agents()
NAMES = {agent.name for agent in (*AGENTS, *UNREAD)}
TITLES = {agent.title for agent in (*AGENTS, *UNREAD)}
ALL_NAMES = NAMES.union(map(str.lower, TITLES), *(agent.aliases for agent in AGENTS))
# in identifiers and in prose these words usually mean something else
COMMON_WORDS = {"continue", "cursor", "pi", "warp"}
TITLE = re.compile(
    "|".join(rf"\b{re.escape(one)}\b" for one in TITLES if one.lower() not in COMMON_WORDS)
)
OTHER_MEANINGS = {  # by module or package: words that name something else there
    # models and providers
    "pricing": {"claude", "cursor", "gemini", "github-copilot", "kilo", "opencode", "qwen"},
    "render/otlp.py": {"claude", "codex", "gemini", "grok"},  # first words of the names of models
    "model": {"cursor"},  # the struct Cursor
    "credentials.py": {"codex", "github copilot", "github-copilot"},  # providers and accounts
}


def words(identifier):
    """Return the words of an identifier in snake case or camel case."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", identifier)}


def identifiers(node):
    """Return the identifiers in a node of a syntax tree."""
    found = [getattr(node, field, None) for field in ("id", "attr", "arg", "name", "asname")]
    return [one for one in found if isinstance(one, str)]


def imported(node):
    """Return the names of the modules that a node imports from `agents`."""
    if isinstance(node, ast.ImportFrom) and node.module == "agtop_exporter.agents":
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
    elif isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    else:
        modules = []
    prefix = "agtop_exporter.agents."
    return [name.removeprefix(prefix).split(".")[0] for name in modules if name.startswith(prefix)]


def named(source):
    """Return the names of agents in a module, as (line, name) pairs."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {(line, node.value.lower())} if node.value.lower() in ALL_NAMES else set()
            found |= {(line, title.lower()) for title in TITLE.findall(node.value)}
        for identifier in identifiers(node):
            found |= {(line, word) for word in words(identifier) & (NAMES - COMMON_WORDS)}
        found |= {(line, name) for name in imported(node) if name in NAMES}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            found |= {(token.start[0], title.lower()) for title in TITLE.findall(token.string)}
    return found


def modules():
    """Return the modules of the package outside `agents`, relative to the package."""
    paths = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return sorted(path for path in paths if path.parts[0] != "agents")


@pytest.mark.parametrize(
    "source",
    [
        'REGISTRIES = {"claude": 1}',
        "ALIASES = ['qwen-code']",
        "def read_claude_registry(): ...",
        "class GeminiProcess: ...",
        "call(codex=1)",
        "from agtop_exporter.agents import pi",
        "from agtop_exporter.agents.cursor import database",
        "import agtop_exporter.agents.pi",
        '"""Claude Code repeats the usage."""',
        "x = 1  # as Gemini CLI does it",
        "f'an account of OpenCode: {x}'",
        "UNREAD = ('windsurf',)",
        '"""Kiro has no tokens."""',
    ],
)
def test_a_module_that_names_one_is_found(source):
    assert named(source)


@pytest.mark.parametrize(
    "source",
    [
        "cursor = Cursor()",
        "row = f'the cursor of {path}'",
        '"""agtop_turns_total{agent="claude"} 12"""',
        "from agtop_exporter.agents import load_agents",
        "PATTERN = 'gpt-5-codex'",
    ],
)
def test_other_words_are_no_names(source):
    assert not named(source)


@pytest.mark.long
def test_no_module_outside_agents_names_one():
    found = [
        f"{path}:{line}: {name}"
        for path in modules()
        for line, name in sorted(named((PACKAGE / path).read_text(encoding="utf-8")))
        if not any(
            name in OTHER_MEANINGS.get(place, ()) for place in (path.as_posix(), path.parts[0])
        )
    ]
    assert found == []


def test_names_of_agents_are_unique():
    names = [name for agent in AGENTS for name in (agent.name, *agent.aliases)]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for name in names)
