"""Compare the CPU time of a tick over 1,000 processes with that of process-exporter.

    python tests/bench/process_sampling.py [--ticks 20]
        [--exporter /usr/bin/prometheus-process-exporter]

20 of the processes are agents. The second figure is the CPU time of one scrape of Debian's
prometheus-process-exporter, configured for the same names. It is omitted if the program is not
installed.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from agtop_exporter.agents import load_agents, signatures_of
from agtop_exporter.model import SessionKey, SessionState, SessionUpdate
from agtop_exporter.processes.evidence import gather
from agtop_exporter.processes.facts import Matches
from agtop_exporter.processes.match import match
from agtop_exporter.processes.source import system_processes, users_of
from agtop_exporter.processes.usage import TreeUsage, advance

SIGNATURES = signatures_of(load_agents())
AGENTS = ("claude", "codex", "opencode", "gemini")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Start the processes, measure, end them."""
    options = argparse.ArgumentParser()
    options.add_argument("--ticks", type=int, default=20)
    options.add_argument("--processes", type=int, default=1000)
    options.add_argument("--exporter", default=shutil.which("prometheus-process-exporter"))
    chosen = options.parse_args()
    running: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            start_processes(Path(folder), chosen.processes, running)
            first, tick = our_milliseconds(Path(folder), chosen.ticks)
            count = sum(entry.name.isdecimal() for entry in Path("/proc").iterdir())
            print(f"processes                {count:8}")
            print(f"first tick               {first:8.2f} ms CPU")
            print(f"one tick                 {tick:8.2f} ms CPU   (bar: 15)")
            if chosen.exporter:
                scrape = their_milliseconds(Path(folder), chosen, running)
                print(f"process-exporter, scrape {scrape:8.2f} ms CPU")
                print(f"ratio                    {tick / scrape:8.2f}")
        finally:
            for process in running:  # each leads a group, with the tools it started
                os.killpg(process.pid, signal.SIGKILL)
            for process in running:
                process.wait()


def start_processes(folder: Path, count: int, running: list[subprocess.Popen[bytes]]) -> None:
    """Start `count` processes: 20 agents, a tool below each of them, and others."""
    for name in AGENTS:
        shutil.copy("/bin/bash", folder / name)
    for number in range(20):
        agent = folder / AGENTS[number % len(AGENTS)]
        place = folder / f"project{number}"
        place.mkdir()
        running.append(start(agent, "-c", "sleep 600; :", cwd=place))
    running.extend(start("/bin/sleep", "600", cwd=folder) for _ in range(count - 40))
    # Everything is young now; wait until a tick costs what it costs on a machine at work.
    time.sleep(16)


def start(*words: str | Path, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a process in its own process group."""
    return subprocess.Popen(words, cwd=cwd, stderr=subprocess.DEVNULL, start_new_session=True)


def our_milliseconds(folder: Path, ticks: int) -> tuple[float, float]:
    """Return the CPU time of the first tick and the mean of the later ones."""
    source, matches, usage = (
        system_processes(signatures=SIGNATURES, uids=users_of(())),
        Matches(),
        TreeUsage(),
    )
    now = time.time()
    sessions = {
        SessionKey(AGENTS[number % 4], str(number)): SessionState(
            number,
            AGENTS[number % 4],
            str(number),
            SessionUpdate(
                str(number),
                cwd=str(folder / f"project{number % 20}"),
                started_at=now,
                last_active=now + 60,
            ),
        )
        for number in range(200)
    }
    spent = []
    for _ in range(ticks + 1):
        before = time.process_time()
        table = source.sample(time.time())
        evidence = gather(table, sessions, signatures=SIGNATURES)
        matches = match(table, sessions, evidence, previous=matches)
        usage = advance(usage, table, matches=matches).state
        spent.append((time.process_time() - before) * 1000)
    if len(table.agents) != 20 or len(table.roots) != 40 or len(matches.bindings) != 20:
        sys.exit(f"expected 20 agents, found {len(table.agents)} in {len(table.roots)}")
    return spent[0], sum(spent[1:]) / ticks


def their_milliseconds(
    folder: Path, chosen: argparse.Namespace, running: list[subprocess.Popen[bytes]]
) -> float:
    """Return the mean CPU time of a scrape of process-exporter."""
    names = [{"name": "{{.Comm}}", "comm": list(AGENTS)}]
    (folder / "exporter.yml").write_text(json.dumps({"process_names": names}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    exporter = start(
        chosen.exporter,
        f"-config.path={folder / 'exporter.yml'}",
        f"-web.listen-address=127.0.0.1:{port}",
        cwd=folder,
    )
    running.append(exporter)
    url = f"http://127.0.0.1:{port}/metrics"
    for _ in range(100):
        try:
            scrape(url)
            break
        except OSError:
            time.sleep(0.1)
    page = scrape(url)
    if b'namedprocess_namegroup_num_procs{groupname="claude"} ' not in page:
        sys.exit("process-exporter does not see the agents")
    before = cpu_seconds(exporter.pid)
    for _ in range(chosen.ticks):
        scrape(url)
    return (cpu_seconds(exporter.pid) - before) * 1000 / chosen.ticks


def scrape(url: str) -> bytes:
    """Return a page of the exporter on the loopback interface."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


def cpu_seconds(pid: int) -> float:
    """Return a process's user and system time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
