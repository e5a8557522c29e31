"""The code for Codex and for the programs that were made from it.

The programs have the same rollouts, which are their transcripts. The names of their home
directories, variables and processes differ.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import walk
from agtop_exporter.agents.codex.processes import SIGNATURE
from agtop_exporter.agents.codex.reader import RolloutParser
from agtop_exporter.agents.codex.types import KNOWN_TYPES
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.signature import ProcessSignature

__all__ = ["KNOWN_TYPES", "files", "read", "rollout_folders", "signature"]

PLAIN, COMPRESSED = ".jsonl", ".jsonl.zst"
FOLDER_DEPTH = 6  # levels below a root; a store of Multica has 6


def read(path: str, cursor: Cursor, *, agent: str) -> Batch:
    """Read one rollout, the transcript of a thread, after a cursor. Raises OSError.

    `agent` is the name of the agent.
    """
    return read_jsonl(agent, RolloutParser, path, cursor)


def signature(executables: frozenset[str]) -> ProcessSignature:
    """Return the process signature of a program by the names of its files."""
    return msgspec.structs.replace(SIGNATURE, executables=executables, packages=())


def rollout_folders(homes: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the folders of active and archived rollouts in several home directories."""
    return tuple(base / name for base in homes for name in ("sessions", "archived_sessions"))


def files(root: Path) -> Iterator[os.DirEntry[str]]:
    """List the rollouts below a root: `YYYY/MM/DD/*.jsonl`, or `*.jsonl` if they are archived.

    Compressed rollouts (`.jsonl.zst`) come last. If a rollout exists in both forms, only the file
    that is not compressed is listed.
    """
    plain: list[os.DirEntry[str]] = []
    compressed: list[os.DirEntry[str]] = []
    for entry in walk(root, suffix=(PLAIN, COMPRESSED), depth=FOLDER_DEPTH):
        if entry.name.endswith(COMPRESSED):
            compressed.append(entry)
        else:
            plain.append(entry)
            yield entry
    if compressed:
        unpacked = {entry.path.removesuffix(PLAIN) for entry in plain}
        yield from (e for e in compressed if e.path.removesuffix(COMPRESSED) not in unpacked)
