"""Gemini CLI: reads `<root>/tmp/<project>/chats/**.json[l]`, one file per session or subagent.

A telemetry file adds the requests that no transcript records. Checked against version 0.61. The
format is not documented; see tests/agents/gemini/README.
"""

from agtop_exporter.agents import Agent
from agtop_exporter.agents.gemini import chat, places, telemetry, transcripts
from agtop_exporter.agents.gemini.processes import SIGNATURE
from agtop_exporter.agents.gemini.records import KNOWN_TYPES
from agtop_exporter.model import Batch, Cursor


def read(path: str, cursor: Cursor) -> Batch:
    """Read one transcript or telemetry file after a cursor. Raises OSError."""
    return transcripts.read(path, cursor) if places.is_chat(path) else telemetry.read(path, cursor)


AGENT = Agent(
    name=chat.NAME,
    title="Gemini CLI",
    roots=places.roots,
    bases=places.base_directories,
    files=places.files,
    read=read,
    signature=SIGNATURE,
    aliases=("gemini-cli",),
    known_types=KNOWN_TYPES,
    exact="tokens of each response",
    not_in_files=(
        "router and title requests without telemetry, chats that Gemini CLI has deleted, "
        "rate limits"
    ),
    versions_seen=("0.61.0",),
)
