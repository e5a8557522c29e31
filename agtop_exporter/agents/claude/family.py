"""The parts that Claude Code shares with the programs that were made from it.

The programs have the same transcripts. The names of their directories, variables and processes
differ.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from agtop_exporter.agents import walk
from agtop_exporter.agents.claude.journal import JOURNAL, JournalParser
from agtop_exporter.agents.claude.processes import SIGNATURE, read_registries
from agtop_exporter.agents.claude.reader import TranscriptParser
from agtop_exporter.model import Batch, Cursor
from agtop_exporter.reading.jsonl import read_jsonl

__all__ = ["SIGNATURE", "TranscriptParser", "read_registries", "read_transcript", "transcripts"]

FOLDER_DEPTH = 12  # levels below the folder of projects; workflows of 2.1 need 5


def transcripts(projects: Path) -> Iterator[os.DirEntry[str]]:
    """List the transcripts in a folder with projects.

    Transcripts of sessions are `<project>/*.jsonl`. Transcripts of subagents are
    `<project>/<session>/subagents/agent-*.jsonl`. Transcripts of the subagents in a workflow are
    `<project>/<session>/subagents/workflows/<run>/agent-*.jsonl`; the journal of the workflow is in
    the same folder and is also listed.
    """
    return walk(projects, suffix=".jsonl", depth=FOLDER_DEPTH)


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
    if Path(path).name == JOURNAL:
        return read_jsonl(agent, JournalParser, path, cursor)
    return read_jsonl(agent, parser, path, cursor)
