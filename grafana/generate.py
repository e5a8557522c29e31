"""Write the dashboards to `grafana/dashboards/`, and the rules for each program.

usage: python grafana/generate.py [--set NAME=VALUE]... [--output DIR]

A dashboard that the generator no longer builds is deleted. The tests compare the committed files
with the generator. `--set` changes a value of the alerts, see `grafana/rules/alerts.yml`; with
`--output`, the rules are written below another directory, and the dashboards stay.
"""

import argparse
from pathlib import Path

from generator import rules
from generator.boards import BOARDS, FOLDER, file_of, text_of


def main():
    """Write every dashboard and every file of rules."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", metavar="NAME=VALUE", action="append", default=[])
    parser.add_argument("--output", metavar="DIR", type=Path)
    options = parser.parse_args()
    changes = dict(change.partition("=")[::2] for change in options.set)
    try:
        files = rules.files(changes)
    except rules.UnknownValueError as error:
        known = ", ".join(rules.values_of())
        parser.error(f"no value {error} (values: {known})")
    for path, text in files.items():
        target = (options.output or rules.ROOT) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    if options.output is None:
        write_dashboards()


def write_dashboards():
    """Write every dashboard, and delete the files of removed dashboards."""
    files = {file_of(board): text_of(board) for board in BOARDS}
    for path in set(FOLDER.glob("*.json")) - set(files):
        path.unlink()
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
