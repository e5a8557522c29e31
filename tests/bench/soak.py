"""Run the daemon for many refreshes on an invented clock, and record what it uses.

    PYTHONPATH=tests/support python tests/bench/soak.py FOLDER [--refreshes 100000]

The real daemon refreshes a small home of Claude Code without waiting between two refreshes. Before
each refresh, the clock advances by 30 seconds, one session answers, and a tool process starts and
ends. Sessions, agent processes and transcripts come and go; transcripts are renamed, truncated and
deleted. Every tenth page is scraped over HTTP. FOLDER gets `soak.csv` and `soak.svg`, which are
renewed while the benchmark runs. At the end, the counted tokens are compared with the written ones.
"""

import argparse
import csv
import gc
import http.client
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from plot import picture
from processes.proc_tree import add_process, make_proc, open_file
from small_homes import BEGIN, TOKENS_OF_A_TURN, claude_answer, claude_file, claude_prompt

from agtop_exporter.agents import covered_by, load_agents, signatures_of
from agtop_exporter.daemon import Daemon
from agtop_exporter.ledger import Ledger
from agtop_exporter.logs import log_as_daemon
from agtop_exporter.pipeline import Pipeline
from agtop_exporter.pricing import PriceBook, PriceRefresher
from agtop_exporter.processes.source import system_processes, users_of
from agtop_exporter.server import Endpoint
from agtop_exporter.settings import Settings

STEP_SECONDS = 30
RETENTION_DAYS = 2
OPEN_SESSIONS = 6
SESSION_REFRESHES = 300  # a new session replaces the oldest one after this number of refreshes
KEPT_FILES = 40  # transcripts of closed sessions
FIRST_PID, PIDS = 1_000, 30_000
SAMPLE_REFRESHES = 100
DRAW_REFRESHES = 1_000
SCRAPE_REFRESHES = 10
CHARTS = {
    "rss_mb": "resident memory, MB",
    "objects": "Python objects that the garbage collector tracks",
    "descriptors": "open file descriptors",
    "threads": "threads",
    "ledger_mb": "ledger and its journal, MB",
    "tick_ms": "CPU of a refresh, ms (mean of the last 100)",
    "page_kb": "page of /metrics, kB",
    "sessions": "sessions in the ledger",
}


class World:
    """A home and a /proc that change a little before each refresh."""

    def __init__(self, folder, seed):
        self.home = folder / "home"
        self.home.mkdir()
        self.now = float(BEGIN)
        self.turns = 0  # all written turns
        self.turns_read = 0
        self.sessions = 0
        self._chance = random.Random(seed)
        self._proc = make_proc(folder, BEGIN - 86_400)
        self.proc = str(self._proc)
        self._open = []  # (number, folder of the process, path), the oldest first
        self._closed = []  # paths, the oldest first
        self._pids = 0
        self._tool = None

    def step(self, number):
        """Change the home and the processes before the refresh `number`."""
        self.now += STEP_SECONDS
        if number % (SESSION_REFRESHES // OPEN_SESSIONS) == 0:
            session = self._replace_a_session()
        else:
            session = self._chance.choice(self._open)
        self._answer(session)
        if self._tool is not None:
            shutil.rmtree(self._tool)
        self._tool = self._process("bash", parent=int(session[1].name))
        if number % 97 == 0 and self._closed:
            self._disturb(self._chance.randrange(len(self._closed)))

    def _replace_a_session(self):
        if len(self._open) == OPEN_SESSIONS:
            _, process, path = self._open.pop(0)
            shutil.rmtree(process)
            self._closed.append(path)
        self.sessions += 1
        path = claude_file(self.home, self.sessions, f"-tmp-project-{self.sessions % 20}")
        process = self._process("claude", parent=1)
        open_file(process, 3, path)
        self._open.append((self.sessions, process, path))
        while len(self._closed) > KEPT_FILES:
            self._closed.pop(0).unlink()
        return self._open[-1]

    def _answer(self, session):
        number, _, path = session
        # the time in the records of a turn is BEGIN + 10 * turn
        moment = int((self.now - BEGIN) // 10)
        with path.open("a") as file:
            file.write(claude_prompt(number, moment) + claude_answer(number, moment))
        os.utime(path, (self.now, self.now))
        self.turns += 1

    def _disturb(self, which):
        """Rename, truncate or rewrite the transcript of a closed session."""
        path = self._closed[which]
        kind = self._chance.randrange(3)
        if kind == 0:
            self._closed[which] = path.rename(path.with_name(f"old-{path.name}"))
        elif kind == 1:
            os.truncate(path, path.stat().st_size // 2)
        else:
            copy = path.with_suffix(".new")
            shutil.copyfile(path, copy)
            copy.rename(path)

    def _process(self, name, *, parent):
        self._pids = (self._pids + 1) % PIDS
        start = int(self.now - BEGIN + 86_400)
        return add_process(
            self._proc, FIRST_PID + self._pids, name, argv=[name], start=start, parent=parent
        )


class SoakedDaemon(Daemon):
    """A daemon that changes its world instead of waiting for the next refresh."""

    def __init__(self, world, recorder, refreshes, **parts):
        super().__init__(**parts)
        self._world = world
        self._recorder = recorder
        self._left = refreshes
        self._number = 0
        world.step(0)

    def _tick(self):
        began = time.process_time()
        super()._tick()
        self._recorder.ticked(time.process_time() - began)
        if not self._wakeups.stopping:
            self._world.turns_read = self._world.turns

    def _rest(self):
        self._number += 1
        if self._number % SCRAPE_REFRESHES == 0:
            self._recorder.scrape()
        if self._number % SAMPLE_REFRESHES == 0:
            self._recorder.sample(self._number)
        if self._number >= self._left:
            self._wakeups.stopping = True
        self._world.step(self._number)


def rss_megabytes():
    """Return the resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    rss = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return round(int(rss.split()[1]) / 1024, 2)


class Recorder:
    """Records what this process uses, in a CSV file and in a picture."""

    def __init__(self, folder, world, ledger, port):
        self._folder = folder
        self._world = world
        self._ledger = ledger
        self._port = port
        self._seconds = []
        self._page = 0
        self.rows = []

    def ticked(self, seconds):
        """Add the CPU time of a refresh."""
        self._seconds.append(seconds)

    def scrape(self):
        """Request the page as Prometheus does."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request("GET", "/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": "10"})
        self._page = len(connection.getresponse().read())
        connection.close()

    def sample(self, number):
        """Add a row after the refresh `number`."""
        self.rows.append(
            {
                "refreshes": number,
                "rss_mb": rss_megabytes(),
                "objects": len(gc.get_objects()),
                "descriptors": sum(1 for _ in Path("/proc/self/fd").iterdir()),
                "threads": threading.active_count(),
                "ledger_mb": round(self._ledger.size_bytes() / 1e6, 3),
                "tick_ms": round(1000 * sum(self._seconds) / len(self._seconds), 2),
                "page_kb": round(self._page / 1000, 1),
                "sessions": self._world.sessions,
                "turns": self._world.turns,
            }
        )
        self._seconds.clear()
        if number % DRAW_REFRESHES == 0:
            self.write()

    def write(self):
        """Write all rows and the picture."""
        with (self._folder / "soak.csv").open("w", newline="") as file:
            table = csv.DictWriter(file, self.rows[0])
            table.writeheader()
            table.writerows(self.rows)
        title = f"{self.rows[-1]['refreshes']:,} refreshes of agtop-exporter"
        (self._folder / "soak.svg").write_text(picture(self.rows, "refreshes", CHARTS, title=title))


def soak(folder, place, refreshes, seed):
    """Run the daemon in a temporary directory `place`. Return (the world, counted tokens)."""
    world = World(place, seed)
    settings = Settings(
        listen_address=["127.0.0.1:0"],
        state_dir=str(place / "state"),
        agent=["claude"],
        procfs=world.proc,
        no_pricing_refresh=True,
        retention_days=RETENTION_DAYS,
        interval=0.1,
    )
    log_as_daemon(settings, timestamps=True)
    agents = load_agents()
    endpoint = Endpoint(settings)
    ledger = Ledger(place / "state", covered=covered_by(settings.plan, agents))
    pipeline = Pipeline(
        settings,
        agents=agents,
        homes=[world.home],
        environment={"HOME": str(world.home), "PATH": os.environ["PATH"]},
        ledger=ledger,
        prices=PriceBook(),
        processes=system_processes(
            world.proc, signatures=signatures_of(agents), uids=users_of([world.home])
        ),
        keep_closed=False,
    )
    port = int(endpoint.urls[0].rstrip("/").rpartition(":")[2])
    recorder = Recorder(folder, world, ledger, port)
    SoakedDaemon(
        world,
        recorder,
        refreshes,
        settings=settings,
        endpoint=endpoint,
        pipeline=pipeline,
        refresher=PriceRefresher(
            pipeline.prices, place / "cache", clock=time.time, telemetry=pipeline.telemetry
        ),
        reload=lambda: settings,
        clock=lambda: world.now,
        configure_logging=lambda _settings: None,
    ).run()
    counted = sum(value for series, value in ledger.totals.items() if series[0] == "tokens")
    ledger.close()
    recorder.write()
    return world, recorder.rows, counted


def main():
    """Run the benchmark that the arguments select."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--refreshes", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        world, rows, counted = soak(
            chosen.folder.absolute(), Path(place), chosen.refreshes, chosen.seed
        )
    # a signal may end the last refresh before or after it reads the last turns
    least, most = world.turns_read * TOKENS_OF_A_TURN, world.turns * TOKENS_OF_A_TURN
    half, last = rows[len(rows) // 2], rows[-1]
    for name, label in CHARTS.items():
        print(f"{label:55}{rows[0][name]:12}{half[name]:12}{last[name]:12}")
    print(f"tokens written {least}, counted {counted:.0f}")
    sys.exit(not least <= counted <= most)


if __name__ == "__main__":
    main()
