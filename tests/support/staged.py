"""An agent whose sessions a test sets directly, without transcripts in the agent's format."""

from msgspec.structs import replace

from agtop_exporter.agents import walk
from agtop_exporter.model import Batch, Cursor, SessionUpdate, Signal, TokenCounts, UsageEvent


class StagedAgent:
    """A real agent with invented files. Each file is one session.

    `agent` is the value for a pipeline.
    """

    def __init__(self, real, folder):
        self._folder = folder
        self._updates = {}
        self.agent = replace(
            real,
            roots=lambda _home, _environment: (folder,),
            bases=lambda _home, _environment: (),
            files=lambda root: walk(root, suffix=".staged", depth=0),
            read=self._read,
            plan=lambda _home, _environment: "",
        )

    def write(self, session_id, *, active, kind="unknown", reason="", prompts=1, **facts):
        """Set the facts of a session from the next refresh on."""
        path = self._folder / f"{session_id}.staged"
        update = SessionUpdate(session_id, str(path), last_active=active, **facts)
        if kind != "unknown":
            update.signal = Signal(kind, reason)
        self._updates[str(path)] = update, prompts
        path.write_text(path.read_text() + "x" if path.exists() else "x")
        return path

    def _read(self, path, _cursor):
        update, prompts = self._updates[path]
        status = (self._folder / path).stat()
        events = [
            UsageEvent(f"{update.session_id}-{n}", update.session_id, update.last_active or 0.0,
                       "a-model", TokenCounts(input=1), requests=1, turns=1)
            for n in range(prompts)
        ]  # fmt: skip
        place = Cursor(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_size
        )
        return Batch(
            self.agent.name, path, place, events=tuple(events), sessions=(replace(update),)
        )
