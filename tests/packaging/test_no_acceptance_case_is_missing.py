"""Every case of the acceptance list has a test with its id, or a reason for its omission.

A test has an id in its name (`test_c04_c05_stop_reasons`) or in the name of a parameter ("C-08",
"T-23 stall"). The tests of processes use ids of another list, which are not checked here.
"""

import ast
import re
from pathlib import Path

import pytest
from places import TESTS

LAST = {
    "L": 3,  # listing by all agents
    "S": 13,  # words for sessions and states
    "T": 23,  # the state table
    "P": 5,  # processes of sessions
    "J": 5,  # names of projects
    "A": 4,  # sums
    "C": 20,  # Claude Code
    "X": 18,  # Codex
    "G": 15,  # Gemini CLI
    "O": 36,  # OpenCode
    "H": 7,  # Copilot
    "U": 4,  # Cursor
    "V": 5,  # Antigravity
    "R": 13,  # commands and refreshes
}
LEFT_OUT = {
    "L-03": "the duration of a scan is measured in tests/bench, not by a test",
    "S-02": "the program writes sessions as JSON, and never reads them",
    "S-03": "the same",
    "S-09": "only the parent of a process gets its exit code, and no file contains it",
    "S-12": "the current command of a session would reveal a prompt",
    "A-04": "Prometheus keeps the history, in steps of any length",
    "H-03": "the token is needed for network requests only, which the program does not make",
    "H-04": "the same",
    **dict.fromkeys(
        [f"O-{number}" for number in range(14, 22)],
        "quotas are not downloaded; the price list is the only download",
    ),
    "R-06": "the pause after each refresh is the setting `interval`",
    "R-08": "there is no cache of analyses: only new records are read, and the ledger has sums",
    "R-09": "the same",
    "R-10": "the table has no rows that can be expanded",
    "R-11": "the table draws no graphs",
}

IN_NAME = re.compile(r"test((?:_[a-z]\d{1,2})+)_")
AS_PARAMETER = re.compile(r"[A-Z]-\d\d(?= |$)")


def ids_of(source):
    """Return the ids of the tests in a module."""
    found = set()
    nodes = list(ast.walk(ast.parse(source)))
    docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.FunctionDef) and (name := IN_NAME.match(node.name)):
            words = name[1].removeprefix("_").split("_")
            found.update(f"{word[0].upper()}-{word[1:]}" for word in words if len(word) == 3)
        elif isinstance(node, ast.Constant) and node not in docstrings:
            parameter = AS_PARAMETER.match(str(node.value))
            found.update([parameter[0]] if parameter else [])
    return found


def ids_of_tests():
    ids = set()
    for path in TESTS.rglob("test_*.py"):
        if path != Path(__file__):
            found = ids_of(path.read_text(encoding="utf-8"))
            is_other = path.name.startswith("test_processes_")
            ids.update(each for each in found if each[0] == "P" or not is_other)
    return {each for each in ids if each[0] in LAST}


@pytest.mark.long
def test_every_case_is_a_test_or_left_out():
    listed = {f"{group}-{n:02}" for group, last in LAST.items() for n in range(1, last + 1)}
    tested = ids_of_tests()
    assert sorted(listed - tested - set(LEFT_OUT)) == []
    assert sorted(tested - listed) == []
    assert sorted(tested & set(LEFT_OUT)) == []
    assert sorted(set(LEFT_OUT) - listed) == []


def test_only_ids_of_tests_are_found():
    source = '''
"""C-09 of the list."""
CASES = {"T-01": 1, "T-23 stall": 2, "T-02: a word": 3, "XT-03": 4}
def test_p03_l1_stopped(): pass
def test_c04_c05_stop_reasons(): pass
def test_an_answer_c06_has(): pass
'''
    assert ids_of(source) == {"T-01", "T-23", "P-03", "C-04", "C-05"}
