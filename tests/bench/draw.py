"""Draw every dashboard panel from a real Prometheus with generated activity.

    PYTHONPATH=tests/support:grafana python tests/bench/draw.py FOLDER [--seconds 90]

Writes an HTML page for each dashboard into the folder. If Chromium is installed, it also writes
PNG pictures of these pages and of the exporter's own page.
"""

import argparse
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from generator.boards import BOARDS, panels_with_queries
from living_home import LivingHome, begin, live
from otlp_receiver import receiver
from pictures import BOARD_WIDTH, CELL_HEIGHT, board_page
from prometheus_server import free_port, prometheus
from promql import substituted
from running import daemon

DAY = 86_400
PAST = (  # closed sessions: project, age in days, size of the response, model
    ("engine", 0.3, 90, "claude-opus-4-5"),
    ("docs", 1.2, 40, "claude-haiku-4-5"),
    ("shop", 1.9, 150, "claude-sonnet-4-5"),
    ("infra", 3.1, 60, "claude-sonnet-4-5"),
    ("engine", 4.4, 230, "claude-opus-4-5"),
    ("billing", 5.6, 30, "claude-haiku-4-5"),
    ("shop", 12.0, 400, "claude-sonnet-4-5"),
    ("site", 25.0, 120, "claude-opus-4-5"),
)
BUDGETS = """
[[budgets]]
usd = 5
period = "day"
[[budgets]]
usd = 60
period = "month"
"""
CHROMIUM_FLAGS = (  # no network requests
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-quic"),
    "--disable-sync",
)


def answers_of(board, server, address, *, start, end):
    """Return the answers of Prometheus to the queries of a board."""
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


def photograph(url, picture, *, width, height, dark=True):
    """Take a screenshot of a page if Chromium is installed; compress it if pngquant is."""
    chromium, pngquant = shutil.which("chromium"), shutil.which("pngquant")
    if not chromium:
        return
    with tempfile.TemporaryDirectory() as profile:
        scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        size = f"--window-size={width},{height}"
        own = (f"--user-data-dir={profile}", f"--screenshot={picture}", scheme, size)
        command = [chromium, *CHROMIUM_FLAGS, *own, url]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    if pngquant:
        subprocess.run([pngquant, "--force", "--output", picture, "64", picture], check=True)


def live_a_turn(home, turn, turns):
    """Write the records of one second. At two times, add data so that every panel has some."""
    live(home, turn)
    if turn == turns // 3:
        home.compact(1, "shop")
        home.spoil(3, "site")
        home.register(home.waiting.pid, 2, "busy")
    if turn == turns // 2:
        home.answer(1, "shop", model="too-new-to-have-a-price")
        home.register(home.waiting.pid, 2, "waiting")


def remember(home):
    """Write sessions of the last weeks."""
    for number, (project, days, size, model) in enumerate(PAST, start=20):
        for part in range(9):
            home.prompt(number, project, age=days * DAY - part)
            home.answer(number, project, age=days * DAY - part, size=size // 9, model=model)


def draw_page(folder, address):
    """Take screenshots of the exporter's page: desktop and phone, light and dark."""
    for name, width, height in (("desk", 1280, 1150), ("phone", 390, 2300)):
        for scheme in ("light", "dark"):
            picture = folder / f"page-{name}-{scheme}.png"
            dark = scheme == "dark"
            photograph(f"http://{address}/", picture, width=width, height=height, dark=dark)


def draw_boards(folder, server, address, *, start, end):
    """Draw every dashboard."""
    answers = [answers_of(board, server, address, start=start, end=end) for board in BOARDS]
    for board, answer in zip(BOARDS, answers, strict=True):
        page = folder / f"{board['uid']}.html"
        page.write_text(board_page(board, answer))
        rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
        height = rows * CELL_HEIGHT + 60
        photograph(page.as_uri(), page.with_suffix(".png"), width=BOARD_WIDTH, height=height)


def main():
    """Generate activity, and draw the dashboards."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=int, default=90)
    options = parser.parse_args()
    folder = options.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    with (
        tempfile.TemporaryDirectory() as place,
        LivingHome(Path(place) / "home") as home,
        prometheus(Path(place) / "p", address, scrape="1s") as server,
        receiver() as backend,
    ):
        begin(home)
        remember(home)
        config = Path(place) / "config.toml"
        config.write_text(BUDGETS)
        flags = ["--listen-address", address, "--state-dir", Path(place) / "state", "--otlp"]
        flags += ["--config", config]
        push = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": backend.endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        }
        with daemon(home.home, *flags, interval=0.5, AGTOP_PROCFS=str(home.proc), **push):
            start = time.time()
            for turn in range(options.seconds):
                live_a_turn(home, turn, options.seconds)
                time.sleep(1)
            draw_boards(folder, server, address, start=start, end=time.time())
            draw_page(folder, address)


if __name__ == "__main__":
    main()
