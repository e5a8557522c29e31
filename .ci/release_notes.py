"""Prints the changelog section of a release; fails if the tag, version and changelog disagree.

Usage, in the root of the repository: python .ci/release_notes.py vX.Y.Z
"""

import re
import sys
from pathlib import Path


def release_notes(tag: str, *, version: str, changelog: str) -> str:
    """Return the text of the section of `version`; raise ValueError if this cannot be released."""
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, but the version is {version}")
    sections = {
        title: body.strip()
        for title, body in re.findall(
            r"^## (.+?)\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
        )
    }
    if re.search(r"^- ", sections.get("Unreleased", ""), re.MULTILINE):
        raise ValueError('CHANGELOG.md still has entries under "Unreleased"')
    heading = re.compile(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d")
    bodies = [body for title, body in sections.items() if heading.fullmatch(title)]
    if len(bodies) != 1 or not bodies[0]:
        raise ValueError(f'CHANGELOG.md has no section "## {version} - YYYY-MM-DD"')
    return bodies[0] + "\n"


def main() -> None:
    """Read the files of the current directory."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and the tag
        sys.exit("usage: python .ci/release_notes.py vX.Y.Z")
    source = Path("agtop_exporter/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)
    if found is None:
        sys.exit("agtop_exporter/__init__.py has no __version__")
    changelog = Path("CHANGELOG.md").read_text(encoding="utf-8")
    try:
        notes = release_notes(sys.argv[1], version=found[1], changelog=changelog)
    except ValueError as error:
        sys.exit(str(error))
    sys.stdout.write(notes)


if __name__ == "__main__":
    main()
