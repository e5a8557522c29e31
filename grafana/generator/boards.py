"""The list of all dashboards, and their files."""

import json
from pathlib import Path

from generator import cost, health, limits, overview, processes, sessions

FOLDER = Path(__file__).parents[1] / "dashboards"
BOARDS = [module.BOARD for module in (overview, sessions, cost, limits, processes, health)]


def file_of(board):
    return FOLDER / f"{board['uid']}.json"


def text_of(board):
    return json.dumps(board, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def panels_with_queries(board):
    return [panel for panel in board["panels"] if panel.get("targets")]
