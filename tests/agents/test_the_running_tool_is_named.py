"""The activity of a session names the tool that runs, and no tool whose result is known.

Each case is a transcript, and the tool that runs after each of its records. The transcript is read
after each record, so the open calls of earlier reads count, too.
"""

import json

import msgspec
import pytest
from driving import read_on
from transcripts import Claude, Codex, tool

from agtop_exporter.agents import load_agents
from agtop_exporter.agents.opencode.events import signal_of
from agtop_exporter.agents.opencode.records import Message, Part
from agtop_exporter.ledger import Ledger

AGENTS = {agent.name: agent for agent in load_agents()}
SESSION = "11111111-1111-4111-8111-111111111111"


def claude(folder):
    chat = Claude(folder)
    chat.user("Start").assistant("m1", tool("Read", "c1"), stop="tool_use")
    chat.assistant("m1", tool("mcp__lamps__blink", "c2"), stop="tool_use")
    chat.result("c2").result("c1")
    chat.assistant("m2", tool("Bash", "c3"), stop="tool_use").user("[Request interrupted by user]")
    chat.assistant("m3", tool("AskUserQuestion", "c4"), stop="tool_use").result("c4")
    chat.assistant("m4", tool("Task", "c5"), stop="tool_use")
    chat.assistant("m5", tool("Grep", "c6"), stop="tool_use").result("c6")  # no result of c5
    chat.assistant("m6")
    names = ("", "Read", "mcp:lamps", "Read", "", "Bash", "", "AskUserQuestion", "", "Task")
    return chat.path, list(zip(chat.records, (*names, "Grep", "", ""), strict=True))


def codex(folder):
    thread = Codex(folder).event("task_started", turn_id="t1")
    thread.item("function_call", name="exec_command", arguments="{}", call_id="c1")
    thread.item("custom_tool_call", name="apply_patch", input="", call_id="c2")
    thread.item("function_call_output", call_id="c1", output="done")
    thread.item("custom_tool_call_output", call_id="c2", output="done")
    thread.item("web_search_call", id="w1", status="completed")  # it has no result
    asked = json.dumps({"sandbox_permissions": "require_escalated"})
    thread.item("function_call", name="exec_command", arguments=asked, call_id="c3")
    thread.event("task_complete", turn_id="t1", last_agent_message="Stopped.")
    thread.event("task_started", turn_id="t2")
    names = ("", "", "exec_command", "apply_patch", "apply_patch", "", "", "exec_command", "", "")
    return thread.path, list(zip(thread.records, names, strict=True))


def stamped(records):
    """Return records with times one second apart."""
    return [
        ({**record, "timestamp": f"2026-03-02T10:00:{number:02d}.000Z"}, name)
        for number, (record, name) in enumerate(records)
    ]


def qwen(folder):
    def call(*calls):
        parts = [{"functionCall": {"id": call_id, "name": name}} for call_id, name in calls]
        return {"type": "assistant", "message": {"parts": parts}}

    def result(call_id):
        return {"type": "tool_result", "toolCallResult": {"callId": call_id, "status": "success"}}

    records = [
        ({"type": "user", "message": {"parts": [{"text": "Start"}]}}, ""),
        (call(("c1", "glob"), ("c2", "read_file")), "read_file"),
        (result("c2"), "glob"),
        (result("c1"), ""),
        (call(("c3", "run_shell_command")), "run_shell_command"),
        ({"type": "user", "message": {"parts": [{"text": "Stop"}]}}, ""),
    ]
    path = folder / ".qwen" / "projects" / "p" / "chats" / f"{SESSION}.jsonl"
    return path, [
        ({**record, "uuid": f"u{number}", "sessionId": SESSION}, name)
        for number, (record, name) in enumerate(stamped(records))
    ]


def pi(folder):
    def answer(stop, *calls):
        content = [{"type": "toolCall", "id": key, "name": name} for key, name in calls]
        return {"role": "assistant", "content": content, "stopReason": stop}

    def result(call_id):
        return {"role": "toolResult", "toolCallId": call_id, "content": []}

    messages = [
        ({"role": "user", "content": "Start"}, ""),
        (answer("toolUse", ("c1", "read"), ("c2", "bash")), "bash"),
        (result("c2"), "read"),
        (result("c1"), ""),
        (answer("aborted", ("c3", "edit")), ""),
        ({"role": "user", "content": "Go on"}, ""),
    ]
    header = {"type": "session", "id": SESSION, "cwd": "/home/ada/engine"}
    records = [
        ({"type": "message", "id": f"e{number}", "message": message}, name)
        for number, (message, name) in enumerate(messages)
    ]
    path = folder / ".pi" / "agent" / "sessions" / "p" / f"2026-03-02_{SESSION}.jsonl"
    return path, stamped([(header, ""), *records])


def copilot(folder):
    def call(key, name):
        return "tool.execution_start", {"toolCallId": key, "toolName": name}

    def result(key):
        return "tool.execution_complete", {"toolCallId": key, "success": True}

    events = [
        (("user.message", {"content": "Start"}), ""),
        (call("c1", "view"), "view"),
        (call("c2", "bash"), "bash"),
        (("permission.requested", {}), "bash"),
        (("permission.completed", {}), "bash"),
        (result("c2"), "view"),
        (result("c1"), ""),
        (call("c3", "grep"), "grep"),
        (("abort", {}), ""),
        (("user.message", {"content": "Go on"}), ""),
    ]
    records = [
        ({"type": kind, "id": f"e{number}", "data": data}, name)
        for number, ((kind, data), name) in enumerate(events)
    ]
    path = folder / ".copilot" / "session-state" / SESSION / "events.jsonl"
    return path, stamped(records)


def gemini(folder):
    def answer(*calls):
        tools = [{"id": key, "name": key, "status": status} for key, status in calls]
        return {"type": "gemini", "id": "m2", "content": "", "toolCalls": tools}

    records = [
        ({"type": "user", "id": "m1", "content": "Start"}, ""),
        (answer(("glob", "executing"), ("read_file", "scheduled")), "read_file"),
        (answer(("glob", "awaiting_approval"), ("read_file", "success")), "glob"),
        (answer(("glob", "success"), ("read_file", "success")), ""),
    ]
    header = {"sessionId": SESSION, "projectHash": "x", "startTime": "2026-03-02T10:00:00.000Z"}
    path = folder / ".gemini" / "tmp" / "p" / "chats" / "session-2026-03-02T10-00-1.jsonl"
    return path, stamped([(header, ""), *records])


def grok(folder):
    def update(name, **fields):
        return {"params": {"sessionId": SESSION, "update": {"sessionUpdate": name, **fields}}}

    def call(call_id, kind):
        return update("tool_call", toolCallId=call_id, kind=kind)

    def result(call_id, status):
        return update("tool_call_update", toolCallId=call_id, status=status)

    updates = [
        (update("user_message_chunk", content={"type": "text", "text": "Start"}), ""),
        (call("c1", "read"), "read"),
        (call("c2", "execute"), "execute"),
        (result("c2", "in_progress"), "execute"),
        (result("c2", "failed"), "read"),
        (result("c1", "completed"), ""),
        (call("c3", "execute"), "execute"),
        (update("turn_completed", stop_reason="cancelled"), ""),
    ]
    path = folder / ".grok" / "sessions" / "%2Fhome" / SESSION / "updates.jsonl"
    return path, [
        ({"timestamp": 1_772_445_600 + number, **record}, name)
        for number, (record, name) in enumerate(updates)
    ]


def junie(folder):
    def event(kind, **fields):
        return {"kind": "SessionA2uxEvent", "event": {"agentEvent": {"kind": kind, **fields}}}

    def step(kind, number, status):
        return event(f"{kind}BlockUpdatedEvent", stepId=f"s{number}", status=status)

    records = [
        ({"kind": "UserPromptEvent", "prompt": "Start"}, ""),
        (step("Terminal", 1, "IN_PROGRESS"), "terminal"),
        (step("ViewFiles", 2, "IN_PROGRESS"), "view_files"),
        (step("ViewFiles", 2, "COMPLETED"), "terminal"),
        (step("Terminal", 1, "FAILED"), ""),
        (step("Tool", 3, "IN_PROGRESS"), "tool"),
        ({"kind": "TaskState"}, ""),
        (step("Tool", 3, "COMPLETED"), ""),
    ]
    return folder / ".junie" / "sessions" / SESSION / "events.jsonl", [
        ({**record, "timestampMs": 1_772_445_600_000 + number}, name)
        for number, (record, name) in enumerate(records)
    ]


def kimi(folder):
    def event(kind, call_id, name=""):
        call = {"type": kind, "toolCallId": call_id, "name": name}
        return {"type": "context.append_loop_event", "event": call}

    records = [
        ({"type": "turn.prompt", "origin": "user", "input": [{"text": "Start"}]}, ""),
        (event("tool.call", "c1", "Shell"), "Shell"),
        (event("tool.call", "c2", "Glob"), "Glob"),
        (event("tool.result", "c2"), "Shell"),
        ({"type": "interaction.request"}, "Shell"),
        ({"type": "interaction.resolved"}, "Shell"),
        (event("tool.result", "c1"), ""),
        (event("tool.call", "c3", "Shell"), "Shell"),
        ({"type": "turn.cancel"}, ""),
        (event("tool.result", "c3"), ""),
    ]
    session = folder / ".kimi-code" / "sessions" / "wd_engine_01" / f"session_{SESSION}"
    return session / "agents" / "main" / "wire.jsonl", [
        ({**record, "time": 1_772_445_600_000 + number}, name)
        for number, (record, name) in enumerate(records)
    ]


def kimi_before(folder):
    """kimi-cli, the program before Kimi Code."""

    def event(kind, **payload):
        return {"message": {"type": kind, "payload": payload}}

    def call(call_id, name):
        return event("ToolCall", type="function", id=call_id, function={"name": name})

    records = [
        (event("TurnBegin", user_input="Start"), ""),
        (call("c1", "Shell"), "Shell"),
        (call("c2", "Glob"), "Glob"),
        (event("ToolResult", tool_call_id="c2"), "Shell"),
        (event("ToolResult", tool_call_id="c1"), ""),
        (call("c3", "Shell"), "Shell"),
        (event("StepInterrupted"), ""),
        (event("ToolResult", tool_call_id="c3"), ""),
    ]
    return folder / ".kimi" / "sessions" / ("0" * 32) / SESSION / "wire.jsonl", [
        ({"timestamp": 1_772_445_600.5 + number, **record}, name)
        for number, (record, name) in enumerate(records)
    ]


def openclaw(folder):
    """After the first result, the name of another tool that still runs is not known."""

    def answer(stop, *calls):
        content = [{"type": "toolCall", "id": key, "name": name} for key, name in calls]
        return {"role": "assistant", "content": content, "stopReason": stop}

    messages = [
        ({"role": "user", "content": "Start"}, ""),
        (answer("toolUse", ("c1", "read"), ("c2", "exec")), "exec"),
        ({"role": "toolResult", "toolCallId": "c2", "content": []}, ""),
        (answer("stop"), ""),
    ]
    records = [
        ({"type": "message", "id": f"e{number}", "message": message}, name)
        for number, (message, name) in enumerate(messages)
    ]
    path = folder / ".openclaw" / "agents" / "main" / "sessions" / f"{SESSION}.jsonl"
    return path, stamped([({"type": "session", "id": SESSION}, ""), *records])


CASES = {
    "claude": claude,
    "codex": codex,
    "copilot": copilot,
    "gemini": gemini,
    "grok": grok,
    "junie": junie,
    "kimi": kimi,
    "kimi-cli": kimi_before,
    "openclaw": openclaw,
    "pi": pi,
    "qwen": qwen,
}


def tool_of(ledger):
    (session,) = ledger.sessions.values()
    return session.facts.signal.tool


@pytest.mark.parametrize("name", CASES)
def test_after_each_record(name, tmp_path):
    path, records = CASES[name](tmp_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    grown, agent = Ledger(), AGENTS[name.partition("-")[0]]
    names = []
    for record, _ in records:
        with path.open("a") as file:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
        read_on(grown, agent, str(path))
        whole = Ledger()
        read_on(whole, agent, str(path))
        assert tool_of(grown) == tool_of(whole)
        names.append(tool_of(grown))
    assert names == [name for _, name in records]


def test_a_long_or_damaged_name_is_cut(tmp_path):
    chat = Claude(tmp_path).assistant("m1", tool(f"Read\n{'x' * 500}"), stop="tool_use")
    name = tool_of(chat.told().ledger)
    assert name.startswith("Read x")
    assert len(name) == 80


@pytest.mark.parametrize(
    ("name", "status", "metadata", "expected"),
    [
        ("grep", "running", None, ("running", "grep")),
        ("lamps", "pending", None, ("running", "lamps")),
        ("bash", "running", None, ("waiting", "bash")),  # it waits for permission
        ("bash", "running", {}, ("running", "bash")),
        ("question", "running", {}, ("waiting", "question")),
        ("grep", "completed", {}, ("running", "")),
    ],
)
def test_of_a_message_with_parts(name, status, metadata, expected):
    """OpenCode changes the parts of a message in place, so no reader state is needed."""
    message = msgspec.convert(
        {"role": "assistant", "time": {"created": 1_772_445_600_000}}, Message
    )
    part = {"type": "tool", "tool": name, "state": {"status": status, "metadata": metadata}}
    signal = signal_of(message, [msgspec.convert(part, Part)])
    assert (signal.kind, signal.tool) == expected
