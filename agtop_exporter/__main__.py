"""Starts the programs `agtop-exporter` and `agtop`. `python -m agtop_exporter` is the former.

Until the command runs, Ctrl-C ends the process without Python's handler. Otherwise, a traceback
would show an import.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # `cli` sets the handler of Python again

from agtop_exporter.cli import agtop, exporter

__all__ = ["agtop", "exporter"]

if __name__ == "__main__":
    exporter()
