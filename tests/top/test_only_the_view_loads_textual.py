"""The daemon, `list`, `json` and the table in a pipe do not load Textual."""

import re
import subprocess
import sys

import pytest
from places import ROOT
from running import PATIENCE_SECONDS, environment

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


PRINT = "import sys, atexit, agtop_exporter.cli.output as o; o.leave = sys.exit; "
MODULES = "print('LOADED', *sorted({'textual', 'agtop_exporter.top'} & set(sys.modules)))"


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
    code = f"{PRINT}atexit.register(lambda: {MODULES}); import agtop_exporter.cli as cli; "
    code += f"cli.{program}({words})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path, AGTOP_NO_PRICING_REFRESH="true"),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["LOADED"], done.stderr


@pytest.mark.long
@pytest.mark.parametrize("module", ["serve", "table", "json", "once", "plain", "doctor"])
def test_modules_do_not_load_it(module):
    code = f"import sys, agtop_exporter.cli.{module}; {MODULES}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "LOADED\n"
