"""The versions of the program, of Python, of the libraries and of the system."""

import contextlib
import json
import platform
import sqlite3
from functools import cache
from importlib import metadata, resources

import msgspec

from agtop_exporter import __version__

DISTRIBUTION = "agtop-exporter"
REVISION_CHARACTERS = 12
LIBRARIES = (
    *("genai-prices", "msgspec", "prometheus-client", "psutil", "pydantic-settings", "starlette"),
    *("textual", "uvicorn", "opentelemetry-exporter-otlp"),
)
"""The libraries whose versions `doctor` lists, because figures and connections depend on them."""


class Build(msgspec.Struct, frozen=True):
    """The program, and what it runs on. `revision` is the commit; "" if it is not recorded."""

    version: str
    revision: str
    python: str
    sqlite: str
    platform: str
    libraries: dict[str, str]  # versions by name; a missing library is left out


@cache
def revision() -> str:
    """Return the commit that the package was built from, and `-dirty` if it was changed.

    The build stores it in a file (`.ci/revision.py`). An installation from a git address also
    records it (PEP 610). The result is "" if there is neither, as in a checkout.
    """
    with contextlib.suppress(OSError):
        return resources.files("agtop_exporter").joinpath("revision").read_text("ascii").strip()
    with contextlib.suppress(metadata.PackageNotFoundError, ValueError, KeyError, TypeError):
        origin = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        return str(json.loads(origin or "{}")["vcs_info"]["commit_id"])
    return ""


def build() -> Build:
    """Return the versions of the program and of its environment."""
    libraries = {}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            libraries[name] = metadata.version(name)
    return Build(
        version=__version__,
        revision=revision(),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        platform=f"{platform.system()} {platform.machine()}",
        libraries=libraries,
    )


def one_line(program: str) -> str:
    """Return the text of `--version`.

    agtop-exporter 0.1.0 (revision 1a2b3c4d5e6f, Python 3.13.1, SQLite 3.46.1, Linux x86_64)
    """
    facts = [
        f"Python {platform.python_version()}",
        f"SQLite {sqlite3.sqlite_version}",
        f"{platform.system()} {platform.machine()}",
    ]
    commit, _, changed = revision().partition("-")
    if commit:
        facts.insert(0, f"revision {commit[:REVISION_CHARACTERS]}{changed and '-' + changed}")
    return f"{program} {__version__} ({', '.join(facts)})"
