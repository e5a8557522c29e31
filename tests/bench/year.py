"""Count a year of responses into a ledger, one day after the other, and record its size.

    PYTHONPATH=tests/support python tests/bench/year.py FOLDER [--days 365] [--retention-days 90]

Every day has new sessions, each with the same number of responses, and ends with the roll-up that
the daemon runs once a day. FOLDER gets `year.csv` and `year.svg`, which are renewed every ten days.
At the end, the counted tokens are compared with the recorded tokens.
"""

import argparse
import csv
import random
import sys
import tempfile
import time
from pathlib import Path

from driving import project
from events import batch
from large_ledger import price
from plot import picture
from soak import rss_megabytes

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import TokenCounts, UsageEvent

BEGIN = 1_740_000_000.0
DAY = 86_400.0
SESSIONS, RESPONSES = 20, 20  # of a day
MODELS = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5")
CHARTS = {
    "ledger_mb": "ledger after the roll-up, MB",
    "rss_mb": "resident memory, MB",
    "opened_ms": "CPU to open the ledger, ms",
    "rolled_up_ms": "CPU of the roll-up of a day, ms",
    "events": "events that are stored in full",
    "sessions": "sessions",
}


def record_day(ledger, day, chance):
    """Record the sessions of a day. Return their tokens."""
    tokens = 0
    for number in range(SESSIONS):
        began = BEGIN + day * DAY + chance.uniform(0, DAY / 2)
        name = f"{day:04}-{number:04}-4bbb-8ccc-123456789012"
        counts = TokenCounts(40, 50_000, 900, 0, 300)
        events = [
            UsageEvent(
                key=f"{name}-{turn}",
                session_id=name,
                time=began + turn * 120,
                model=MODELS[number % len(MODELS)],
                tokens=counts,
                requests=1,
                tools=((f"toolu_{day:08}{number:08}{turn:08}", "Bash"),),
            )
            for turn in range(RESPONSES)
        ]
        path = f"/home/ada/.claude/projects/-src-{number}/{name}.jsonl"
        ledger.record(batch(*events, path=path, offset=100), price=price, project=project)
        if day >= 30:  # Claude Code deletes transcripts after 30 days
            old = path.replace(f"{day:04}-", f"{day - 30:04}-")
            ledger.forget_titles("claude", [old])
            ledger.forget_cursor("claude", old)
        tokens += RESPONSES * counts.total
    ledger.commit()
    ledger.pack()
    return tokens


def cpu_milliseconds(action):
    """Run `action`. Return the CPU time in milliseconds."""
    began = time.process_time()
    action()
    return round(1000 * (time.process_time() - began), 1)


def roll_up(ledger, before):
    """Do what the daemon does once a day."""
    while ledger.roll_up(before):
        pass


def live(folder, place, days, retention_days):
    """Write a row for each tenth day. Return the rows, and the recorded and the counted tokens."""
    chance, rows, recorded = random.Random(1), [], 0
    ledger = Ledger(place)
    for day in range(days):
        recorded += record_day(ledger, day, chance)
        before = BEGIN + (day + 1 - retention_days) * DAY
        rolled_up = cpu_milliseconds(lambda: roll_up(ledger, before))  # noqa: B023 - called at once
        if day % 10 == 9 or day == days - 1:
            ledger.close()
            opened = cpu_milliseconds(lambda: Ledger(place, read_only=True).close())
            size = (place / "ledger.db").stat().st_size
            ledger = Ledger(place)
            rows.append(
                {
                    "days": day + 1,
                    "ledger_mb": round(size / 1e6, 2),
                    "rss_mb": rss_megabytes(),
                    "opened_ms": opened,
                    "rolled_up_ms": rolled_up,
                    "events": min(day + 1, retention_days) * SESSIONS * RESPONSES,
                    "sessions": len(ledger.sessions),
                }
            )
            write(folder, rows)
    counted = sum(value for series, value in ledger.totals.items() if series[0] == "tokens")
    ledger.close()
    return rows, recorded, counted


def write(folder, rows):
    """Write all rows and the picture."""
    with (folder / "year.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    title = f"{rows[-1]['days']} days with {SESSIONS * RESPONSES:,} responses each"
    (folder / "year.svg").write_text(picture(rows, "days", CHARTS, title=title))


def main():
    """Run the benchmark that the arguments select."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--days", type=int, default=365)
    options.add_argument("--retention-days", type=int, default=90)
    chosen = options.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        rows, recorded, counted = live(
            chosen.folder, Path(place), chosen.days, chosen.retention_days
        )
    for row in rows[2::3]:
        print(row)
    print(f"tokens recorded {recorded}, counted {counted:.0f}")
    sys.exit(counted != recorded)


if __name__ == "__main__":
    main()
