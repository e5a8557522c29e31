"""Draw every panel from a real Prometheus over a living home, to look at.

    PYTHONPATH=tests python -m grafana.draw FOLDER [--seconds 90]

Writes a page for each dashboard into the folder, and a picture of it where Chromium is installed.
"""

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from grafana.boards import BOARDS, panels_with_queries
from grafana.corpus import LivingHome, begin, live
from grafana.pictures import CELL_HEIGHT, board_page
from grafana.server import free_port, prometheus
from promql import substituted
from running import daemon


def answers_of(board, server, address, *, start, end):
    """Return what Prometheus answers to each query of a board."""
    names = ("agent", "model", "project", "session")
    values = {"job": "agtop", "instance": address, **dict.fromkeys(names, ".*")}
    answers = {}
    for panel in panels_with_queries(board):
        for target in panel["targets"]:
            expression = substituted(
                target["expr"], values, seconds=round(end - start), rate_seconds=8
            )
            answers[panel["id"], target["refId"]] = (
                server.now(expression, end)
                if target["instant"]
                else server.over(expression, start=start, end=end, step="1s")
            )
    return answers


def photograph(page):
    """Take a picture of a page."""
    chromium = shutil.which("chromium")
    if chromium:
        rows = max(CELL_HEIGHT, int(page.stem.rpartition(".")[2] or 0))
        picture = page.with_name(page.name.partition(".")[0] + ".png")
        command = [chromium, "--headless", "--no-sandbox", "--hide-scrollbars"]
        command += [f"--window-size=1600,{rows}", f"--screenshot={picture}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


def main():
    """Let a home live, and draw what is seen of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=int, default=90)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    flags = ("--listen-address", address, "--no-state")
    with (
        tempfile.TemporaryDirectory() as place,
        LivingHome(Path(place) / "home") as home,
        prometheus(Path(place) / "p", address, scrape="1s") as server,
    ):
        begin(home)
        with daemon(home.home, *flags, interval=0.5):
            start = time.time()
            for turn in range(options.seconds):
                live(home, turn)
                time.sleep(1)
            end = time.time()
            for board in BOARDS:
                answers = answers_of(board, server, address, start=start, end=end)
                bottom = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in board["panels"])
                page = options.folder / f"{board['uid']}.{bottom * CELL_HEIGHT + 70}.html"
                page.write_text(board_page(board, answers))
                photograph(page)


if __name__ == "__main__":
    main()
