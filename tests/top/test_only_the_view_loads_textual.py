"""The daemon, `list`, `json` and the table in a pipe do not load Textual."""

import re
import subprocess
import sys

import pytest
from loaded import assert_not_loaded
from places import ROOT

PACKAGE = ROOT / "agtop_exporter"
IMPORT = re.compile(r"^\s*(?:import|from) textual\b", re.MULTILINE)


@pytest.mark.slow
def test_no_other_package_imports_it():
    importing = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if IMPORT.search(path.read_text(encoding="utf-8"))
    }
    assert importing == {"top"}


VIEW = {"textual", "agtop_exporter.top"}


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("agtop", []),
        ("agtop", ["list"]),
        ("agtop", ["json"]),
        ("exporter", ["--once"]),
        ("exporter", ["doctor"]),
        ("exporter", ["check-config"]),
    ],
    ids=str,
)
def test_commands_do_not_load_it(program, words, tmp_path):
    assert_not_loaded(VIEW, program, words, home=tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("module", ["serve", "table", "json", "once", "plain", "doctor"])
def test_modules_do_not_load_it(module):
    code = f"import sys, agtop_exporter.cli.{module}; print('LOADED', *({VIEW} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "LOADED\n"
