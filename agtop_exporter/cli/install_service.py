"""`agtop-exporter install-service`: a systemd user unit for this installation."""

import sys
from argparse import Namespace
from pathlib import Path

from agtop_exporter import service
from agtop_exporter.cli.output import write
from agtop_exporter.cli.wiring import environment


def run(_options: Namespace) -> None:
    """Write and enable the unit, and print what was done."""
    lines = service.install(environment(), home=Path.home(), python=Path(sys.executable))
    write("\n".join(lines) + "\n")
