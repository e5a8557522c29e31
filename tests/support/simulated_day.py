"""A living home over hours of simulated time, and the page of each minute as Prometheus stores it.

The hours include a midnight, a stop of the exporter while the agents go on, half an hour without
agents, failed refreshes, deleted and emptied transcripts, and a model, a project and a session that
are new. One session waits for its user several times. The pages come from the pipeline and the
publication that the daemon uses.
"""

from collections import Counter
from contextlib import contextmanager
from datetime import datetime

import living_home
from living_home import LivingHome
from looking import Look
from simulated_processes import PROGRAMS, SECRET, Processes
from stored_pages import StoredPages

from agtop_exporter.agents import load_agents
from agtop_exporter.metrics import publish, resume
from agtop_exporter.render import prometheus

BEGIN = datetime.fromisoformat("2026-03-01T21:30:00Z").timestamp()
MIDNIGHT = datetime.fromisoformat("2026-03-02T00:00:00Z").timestamp()
END = datetime.fromisoformat("2026-03-02T02:00:00Z").timestamp()
STOPPED = (MIDNIGHT - 2_400, MIDNIGHT - 1_200)  # the exporter does not run
LAST = END - 180  # recorded series are a minute old
QUIET = (MIDNIGHT + 1_800, MIDNIGHT + 3_600)  # the agents do not run
SCRAPE_SECONDS = 60
MINUTE = 60
WAITING = 2  # the session that waits for its user
WAITS = (  # (last record before, first record after)
    (BEGIN + 20 * MINUTE, BEGIN + 30 * MINUTE),
    (BEGIN + 50 * MINUTE, BEGIN + 52 * MINUTE),
    (BEGIN + 70 * MINUTE, BEGIN + 95 * MINUTE),
    (END - 10 * MINUTE, float("inf")),
)
UNREADABLE = (BEGIN + 10 * MINUTE, BEGIN + 15 * MINUTE)  # a process of another user runs
FAILED = (BEGIN + 40 * MINUTE, BEGIN + 41 * MINUTE)  # the times of refreshes that fail
USED_PERCENT = 40.0  # of the rate limit
DOLLARS = {"input": 3, "output": 15}  # a million tokens, of every model but NO_PRICE
RATES = (3, 0.3, 3.75, 6, 15)  # the same in the order of TOKEN_TYPES, as the price book derives it
NO_PRICE = "model-without-a-price"
MODELS = ("claude-sonnet-4-5", "claude-opus-4-5", "claude-haiku-4-5", "gpt-5-codex")
AGENTS = {"claude", "codex"}  # of a living home
BUDGET = {"usd": 500, "period": "month"}
LABELS = {"job": "agtop", "instance": "ada:10041"}


class Day:
    """Writes the files and the pages.

    `done` counts what was written, by name. `samples` is the number of samples of the last page.
    """

    def __init__(self, folder):
        self.home, self.folder = LivingHome(folder / "home"), folder
        self.processes, self.samples = Processes(self.home, BEGIN), 0
        self.done, self.minute, self.stored = Counter(), 0, StoredPages(**LABELS)
        self.marks = {}  # what was done, and the written tokens, at a time

    def pages(self):
        """Live from BEGIN to END; scrape each minute."""
        self._history()
        look, before, previous = self._start(), None, None
        time = BEGIN
        while time <= END:
            living_home.now = lambda time=time: time - 1
            if BEGIN < time < LAST and not QUIET[0] <= time < QUIET[1]:
                self._live(time)
            self._run(time)
            if time == STOPPED[0]:
                look.close()
                look = None
            if time == STOPPED[1]:
                look = self._start()
                ledger = look.pipeline.ledger
                known = {"totals": dict(ledger.stored_totals), "sessions": set(ledger.sessions)}
            if look:
                snapshot = look.at(time)
                if time == STOPPED[1]:
                    before, previous = resume(snapshot, **known), None
                given = publish(snapshot, before, previous=previous).to_one_receiver(before)
                self.samples = self.stored.keep(prometheus.text(given.exposition).decode(), time)
                before, previous = given, snapshot
            self.marks[time] = Counter(self.done), Counter(self.home.written)
            time += SCRAPE_SECONDS
        look.close()

    def _start(self):
        prices = dict.fromkeys(MODELS, DOLLARS)
        budgets = [BUDGET]
        agents = [agent for agent in load_agents() if agent.name in AGENTS]
        return Look(
            self.home.home,
            agents=agents,
            prices=prices,
            state=self.folder / "state.db",
            budgets=budgets,
            processes=self.processes.tracker(),
        )

    def _run(self, time):
        """Start and end processes. The agents' processes end while the agents do not run."""
        self.processes.reader.fails = time in FAILED
        runs = not QUIET[0] <= time < QUIET[1]
        waits = is_waiting(time)
        for program in PROGRAMS:
            if not runs:
                self.processes.end(program)
            else:
                status = "waiting" if waits and program.session == WAITING else ""
                self.processes.run(program, time, status=status)
        if UNREADABLE[0] <= time < UNREADABLE[1]:
            self.processes.run(SECRET, time)
        else:
            self.processes.end(SECRET)

    def _history(self):
        """Write usage from before the first scrape."""
        living_home.now = lambda: BEGIN
        for days in (0.1, 1, 3, 20):
            self._turn(90, "old", days=days, size=9)
        self.home.codex(
            11, ("session_meta", {"id": living_home.session_id(11), "cwd": "/src/engine"})
        )
        self.home.codex(11, ("turn_context", {"model": "gpt-5-codex"}))
        self.home.count(11, size=9)

    def _turn(self, number, project, *, days=0.0, tools=(), **how):
        age = days * 86_400
        self.home.prompt(number, project, age=age)
        self.home.answer(number, project, age=age, tools=tools, **how)
        self.done += Counter(prompts=1, responses=1, calls=len(tools))
        self.done["failed"] += sum(failed for _, failed in tools)

    def _live(self, time):
        """Write what happens in the minute before `time`."""
        self.minute += 1
        minute, home = self.minute, self.home
        tools = [("Read", False), ("Bash", minute % 4 == 0)]
        self._turn(1, "shop", tools=tools, size=1 + minute % 5)
        if not is_waiting(time):
            self._turn(WAITING, "engine", model=MODELS[1 + minute % 2], size=2)
        if minute % 3 == 0:
            home.count(11, size=1 + minute % 2, used_percent=USED_PERCENT)
            self.done += Counter(prompts=1, responses=1)
        if minute % 50 == 0:
            home.compact(1, "shop")
            self.done["compactions"] += 1
        if minute == 5:
            self._turn(3, "site")
            self.home.fail(3, "site")
            self._turn(4, "docs", tools=[("Bash", False)])
            self.done["sessions"] += 2
        if minute in (60, 130, 200):
            self._turn(minute, f"new-{minute}")
            self.done["sessions"] += 1
        if minute > 10 and minute % 10 == 0:
            self._turn(1, "shop", model=NO_PRICE)
        if minute == 110:
            home.delete(60, "new-60")
        if minute == 170:
            home.truncate(2, "engine")


def is_waiting(time):
    """Return whether the session WAITING waits for its user at `time`."""
    return any(begin < time < end for begin, end in WAITS)


@contextmanager
def lived(folder):
    """Live the hours; yield them. The clock of the home is set back at the end."""
    clock = living_home.now
    try:
        day = Day(folder)
        day.pages()
        yield day
    finally:
        living_home.now = clock
