"""Memory that the daemon freed would otherwise stay in gaps between blocks that are in use."""

import subprocess
import sys

import pytest
from ticking import Ticking

from agtop_exporter import platforms

KEPT = """
from agtop_exporter import platforms

def resident_pages():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

blocks = [bytes(2_000) for _ in range(20_000)]
del blocks[:-1]
before = resident_pages()
platforms.release_freed_memory()
print((before - resident_pages()) * 4_096)
"""


@pytest.mark.skipif(not platforms.LINUX, reason="glibc exists on Linux only")
def test_memory_below_a_used_block_is_returned():
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, check=True)
    assert int(done.stdout) > 30_000_000


def test_the_daemon_returns_memory_after_the_first_scan_and_every_hour(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(platforms, "release_freed_memory", lambda: calls.append(daemon.now))
    daemon = Ticking(tmp_path)
    for _ in range(3):
        daemon.tick()
        daemon.tick()
        daemon.now += 3_600
    daemon.close()
    assert len(calls) == 3
