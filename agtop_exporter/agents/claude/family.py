"""The code for Claude Code and for the programs that were made from it.

The programs have the same transcripts. The names of their directories, variables and processes
differ.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from agtop_exporter.agents import walk
from agtop_exporter.agents.claude.journal import NO_TRANSCRIPTS, JournalParser
from agtop_exporter.agents.claude.processes import SIGNATURE, read_registries
from agtop_exporter.agents.claude.reader import TranscriptParser
from agtop_exporter.agents.claude.types import KNOWN_TYPES
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.jsonl import read_jsonl
from agtop_exporter.signature import ProcessSignature

__all__ = [
    "KNOWN_TYPES",
    "TranscriptParser",
    "read_registries",
    "read_transcript",
    "signature",
    "transcripts",
]

SUFFIXES = (".jsonl", ".jsonl.replaced", ".jsonl.bak")
FOLDER_DEPTH = 12  # levels below the folder of projects; workflows of 2.1 need 5


def signature(executables: frozenset[str], packages: tuple[str, ...]) -> ProcessSignature:
    """Return the process signature of a program by the names of its files and npm packages."""
    return msgspec.structs.replace(
        SIGNATURE, executables=executables, packages=packages, version_folders=()
    )


def transcripts(projects: Path) -> Iterator[os.DirEntry[str]]:
    """List the transcripts in a folder with projects.

    Transcripts of sessions are `<project>/*.jsonl`. Transcripts of subagents are
    `<project>/<session>/subagents/agent-*.jsonl`. Transcripts of the subagents in a workflow are
    `<project>/<session>/subagents/workflows/<run>/agent-*.jsonl`; the journal of the workflow is in
    the same folder and is also listed.

    Earlier transcripts are `<project>/<session>/before-cleanup/*.jsonl.replaced`. Since
    version 2.1.287, Claude Code can remove the records before a compaction from a transcript. It
    keeps the earlier version if the variable CLAUDE_CODE_TRANSCRIPT_LOCAL_GC is `keep`. Other
    programs that shorten transcripts keep the earlier version beside them, as
    `<session>.<time>.jsonl.bak`. Cozempic removes the usage of all responses (Ruya-AI/cozempic,
    `metadata-strip`).
    """
    return walk(projects, suffix=SUFFIXES, depth=FOLDER_DEPTH)


def read_transcript(
    path: str,
    cursor: Cursor,
    *,
    agent: str,
    parser: type[TranscriptParser] = TranscriptParser,
) -> Batch:
    """Read a transcript or a workflow journal after a cursor. Raises OSError.

    `agent` is the name of the agent, and `parser` the parser of its transcripts.
    """
    if Path(path).name in NO_TRANSCRIPTS:
        return read_jsonl(agent, JournalParser, path, cursor)
    return read_jsonl(agent, parser, path, cursor)
