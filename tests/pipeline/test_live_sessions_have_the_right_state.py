"""The process of a live session corrects the state that its transcript alone would give."""

import pytest
from looking import Look
from processes.builders import NOW, U1, Machine, process
from staged import StagedAgent

from agtop_exporter.agents import copilot, qwen


class Stage:
    """A session of an agent with its process and tools."""

    def __init__(self, agent, folder, *argv):
        self.staged = StagedAgent(agent, folder)
        self.machine = Machine().run(process(42, *argv, start=-600))
        self.look = Look(folder, agents=[self.staged.agent], processes=self.machine.tracker)

    def state(self, seconds):
        """Return the state at a number of seconds after NOW: kind and reason."""
        state = self.look.sessions(NOW + seconds)[U1]["state"]
        return state["kind"], state["reason"]


@pytest.fixture
def stage(tmp_path):
    return Stage(qwen.AGENT, tmp_path, "qwen", "--resume", U1)


def test_a_session_without_a_prompt_is_idle(stage):
    """Gemini CLI and Codex record the start of a session before its first prompt."""
    stage.staged.write(U1, active=NOW, prompts=0)
    assert [stage.state(seconds) for seconds in (1, 30, 900)] == [("idle", None)] * 3
    stage.staged.write(U1, active=NOW + 901)
    assert stage.state(902) == ("running", None)


def test_a_session_without_a_prompt_and_without_a_process_closes(stage):
    stage.machine.reader.end(42)
    stage.staged.write(U1, active=NOW, prompts=0)
    assert stage.state(1) == ("idle", None)
    assert stage.state(301) == ("closed", None)


def test_a_call_whose_tool_has_ended_does_not_wait_for_permission_again(stage):
    """Qwen Code records the result of a tool some seconds after its end."""
    stage.staged.write(U1, active=NOW, kind="waiting", reason="permission")
    assert stage.state(1) == ("waiting", "permission")
    stage.machine.run(process(43, "bash", parent=42, start=2))
    assert stage.state(3) == ("running", None)
    stage.machine.reader.end(43)
    assert [stage.state(seconds) for seconds in (4, 6, 30)] == [("running", None)] * 3
    stage.staged.write(U1, active=NOW + 31, kind="waiting", reason="permission")
    assert stage.state(32) == ("waiting", "permission")  # the next call


def test_a_tool_that_is_an_agent_has_its_permission(stage):
    """`sh -c 'qwen -p x'` becomes `qwen`: no shell is left between the agents."""
    stage.staged.write(U1, active=NOW, kind="waiting", reason="permission")
    assert stage.state(1) == ("waiting", "permission")
    stage.machine.run(process(43, "qwen", "-p", "x", parent=42, start=2))
    assert stage.state(3) == ("running", None)


def test_a_call_whose_hook_has_ended_waits_for_permission_in_the_end(stage):
    """A hook that notifies the user of the prompt looks like a tool process."""
    stage.staged.write(U1, active=NOW, kind="waiting", reason="permission")
    stage.machine.run(process(43, "notify-send", parent=42, start=1))
    assert stage.state(1) == ("running", None)
    stage.machine.reader.end(43)
    assert stage.state(32) == ("waiting", "permission")


def test_an_older_tool_permits_nothing(stage):
    stage.machine.run(process(43, "bash", parent=42, start=-0.5))
    stage.staged.write(U1, active=NOW, kind="waiting", reason="permission")
    stage.state(0.5)
    stage.machine.reader.end(43)
    assert stage.state(1) == ("waiting", "permission")


def test_a_session_that_was_shut_down_is_closed_before_its_process_ends(tmp_path):
    """A Copilot process lives for up to ten seconds after the shutdown."""
    stage = Stage(copilot.AGENT, tmp_path, "copilot", "--resume", U1)
    stage.staged.write(U1, active=NOW, kind="ended")
    assert stage.state(1) == ("closed", None)
    stage.staged.write(U1, active=NOW + 5, kind="idle")  # resumed
    assert stage.state(6) == ("idle", None)


@pytest.mark.parametrize(
    ("kind", "argv", "states"),
    [
        ("waiting", ("qwen", "--acp"), ["waiting", "waiting", "closed"]),
        ("idle", ("qwen", "--acp"), ["idle", "idle", "closed"]),
        ("running", ("qwen", "--acp"), ["running", "running", "closed"]),  # a long response
        ("waiting", ("qwen", "mcp"), ["closed", "closed", "closed"]),  # no host
    ],
)
def test_a_session_that_a_host_of_another_directory_may_run_is_not_closed(
    kind, argv, states, tmp_path
):
    """An editor starts one host, and gives each of its sessions a directory."""
    staged = StagedAgent(qwen.AGENT, tmp_path)
    staged.write(U1, active=NOW, kind=kind)
    machine = Machine().run(process(42, *argv, start=-600, cwd="/srv/elsewhere"))
    look = Look(tmp_path, agents=[staged.agent], processes=machine.tracker)
    found = [look.sessions(NOW + seconds)[U1]["state"]["kind"] for seconds in (20, 290, 310)]
    assert found == states
