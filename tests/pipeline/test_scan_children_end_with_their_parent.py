"""A daemon that is killed during a first scan leaves no child process that holds its lock."""

import subprocess
import sys
import textwrap

import pytest

from agtop_exporter.ledger import Ledger

pytestmark = pytest.mark.integration

DAEMON = """
    import pathlib, sys
    from agtop_exporter.agents import load_agents
    from agtop_exporter.ledger import Ledger
    from agtop_exporter.model import Cursor
    from agtop_exporter.pipeline import scan
    from agtop_exporter.pipeline.files import Work

    ledger = Ledger(pathlib.Path(sys.argv[1]))
    home = pathlib.Path(sys.argv[2])
    agents = {agent.name: agent for agent in load_agents()}
    scan.PARALLEL_BYTES = 0
    works = [Work("claude", str(path), Cursor(), 1) for path in home.iterdir()]
    for _ in scan.read_all(
        works, agents, progress=lambda *_: None, stopping=lambda: False
    ):
        print("reading", flush=True)
        sys.stdin.readline()
"""


@pytest.mark.long
def test_killed_while_children_read(tmp_path):
    home, state = tmp_path / "home", tmp_path / "state"
    home.mkdir()
    for number in range(50):
        (home / f"{number}.jsonl").write_text("{}\n" * 10)
    daemon = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(DAEMON), str(state), str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert daemon.stdout.readline() == b"reading\n"
    finally:
        daemon.kill()
    daemon.communicate(timeout=20)  # its output ends when its last child has ended
    Ledger(state).close()
