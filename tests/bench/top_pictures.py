"""Draw the pictures of `agtop top` for the README, from the invented sessions of the tests.

    PYTHONPATH=tests/support:grafana python tests/bench/top_pictures.py deploy/pictures

Needs Chromium, which turns the SVG of Textual into PNG.
"""

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from draw import CHROMIUM_FLAGS
from snapshots import make_snapshot
from top_pilot import Driven
from top_views import LIMITS, frame, sessions

PICTURES = {
    "top-sessions": ((120, 40), ("j", "j", "j", "t", "2")),
    "top-totals": ((120, 22), ("a", "right", "right", "g", "g")),
}
"""The size of the terminal, and the keys that are pressed, by name."""


def found():
    """Return the frame of the pictures: Chromium may have no Japanese font."""
    shown = sessions()
    title = msgspec.structs.replace(shown[0], title="Translate the landing page")
    return frame(snapshot=make_snapshot(title, *shown[1:], rate_limits=LIMITS))


async def svg(size, keys):
    """Return a picture of the view as SVG."""
    async with Driven(found(), size=size) as running:
        await running.press(*keys)
        return running.app.export_screenshot(title="agtop top")


def draw(name, text, folder):
    """Write a picture as PNG."""
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups())
    with tempfile.TemporaryDirectory() as place:
        page = Path(place) / "page.html"
        page.write_text(f"<style>body{{margin:0;background:#fff}}</style>{text}", encoding="utf-8")
        size = f"--window-size={round(width)},{round(height)}"
        command = [shutil.which("chromium"), *CHROMIUM_FLAGS, size]
        subprocess.run([*command, f"--screenshot={folder / name}.png", page.as_uri()], check=True)


def main():
    """Draw all pictures."""
    folder = Path(sys.argv[1]).resolve()
    for name, (size, keys) in PICTURES.items():
        draw(name, asyncio.run(svg(size, keys)), folder)


if __name__ == "__main__":
    main()
