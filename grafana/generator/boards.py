"""The list of all dashboards, and their files."""

import json
from pathlib import Path

from generator import cost, fleet, health, limits, overview, processes, sessions

FOLDER = Path(__file__).parents[1] / "dashboards"
BOARDS = [module.BOARD for module in (overview, sessions, cost, limits, processes, fleet, health)]


def file_of(board):
    return FOLDER / f"{board['uid']}.json"


def text_of(board):
    return json.dumps(board, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def panels_with_queries(board):
    """Return the panels of a dashboard that have queries, also those in collapsed rows."""
    panels = [each for panel in board["panels"] for each in (panel, *panel.get("panels", ()))]
    return [panel for panel in panels if panel.get("targets")]
