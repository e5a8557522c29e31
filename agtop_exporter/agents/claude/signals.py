"""Derives the activity of a session from its records.

The activity is a `Signal`: whether the session runs, waits, is idle, or has an error.
"""

from functools import lru_cache

from agtop_exporter.agents.claude.records import Block
from agtop_exporter.model import Signal

ASKING_TOOLS = frozenset({"AskUserQuestion", "ExitPlanMode"})
INTERRUPTED = "[Request interrupted"
INJECTED_PROMPTS = (  # how messages of type "user" begin that no user typed
    INTERRUPTED,
    "<command-",
    "<local-command",
    "<task-notification",
    "<system-reminder",
    "<bash-",
    "Caveat: ",
)
TOOL_RESULT = Signal("running", "", "user.tool_result")
QUESTION = Signal("waiting", "input", "assistant.question")
PROMPT = Signal("running", "", "user.prompt")
INTERRUPTION = Signal("idle", "", "user.interrupted")
API_ERROR = Signal("error", "api error", "assistant.isApiErrorMessage")
TURN_END = Signal("idle", "", "system.turn_duration")


@lru_cache(maxsize=64)
def after_answer(stop_reason: str | None, tool: str) -> Signal:
    """Return the activity of a session after an answer, for its stop reason and running tool."""
    running = stop_reason in ("tool_use", "pause_turn", None)
    kind, detail = "running" if running else "idle", f"assistant.stop_reason={stop_reason}"
    return Signal(kind, "", detail).with_tool(tool)


def prompt_text(content: str | list[Block] | None) -> str:
    """Return the text of a prompt, without its images."""
    if isinstance(content, list):
        return " ".join(block.text for block in content if block.type == "text")
    return content or ""
