"""Tells which modules a console script loads."""

import subprocess
import sys

from running import PATIENCE_SECONDS, environment

CODE = """
import atexit, sys
import agtop_exporter.cli.output as output
output.leave = sys.exit
atexit.register(lambda: print("LOADED", *sorted({modules} & set(sys.modules))))
import agtop_exporter.cli as cli
cli.{program}({words})
"""


def assert_not_loaded(modules, program, words, *, home):
    """Run a console script, `agtop` or `exporter`, and check that it loads none of the modules."""
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(modules=modules, program=program, words=words)],
        env=environment(home, AGTOP_NO_PRICING_REFRESH="true"),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["LOADED"], done.stderr
