"""A last record without a newline counts in the first refresh that reads it, and only there."""

import pytest
from looking import Look
from small_homes import claude_answer, claude_file, claude_prompt, claude_turns

from agtop_exporter.agents import claude
from agtop_exporter.model import Cursor
from agtop_exporter.pipeline import one_file, scan
from agtop_exporter.reading import lines


def figures(samples):
    """Return the requests, the output tokens and the unusable records."""
    names = ("agtop_requests_total", "agtop_tokens_total", "agtop_parse_errors_total")
    return [sum(value for (name, *_), value in samples.items() if name == each) for each in names]


@pytest.mark.slow
@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("after", ["\n", "\r\n", "\n\n", "\n" + claude_prompt(1, 2)])
def test_the_newline_adds_nothing(tmp_path, after, restarts):
    home, state = tmp_path / "home", tmp_path / "state"
    path = claude_file(home)
    path.write_text(claude_turns(1, [0]) + claude_answer(1, 1).rstrip("\n"))
    look = Look(home, agents=[claude.AGENT], state=state)
    before = figures(look.samples())
    assert before == [2, 400, 0]
    if restarts:
        look.close()
        look = Look(home, agents=[claude.AGENT], state=state)
    with path.open("a", newline="") as file:
        file.write(after)
    assert figures(look.samples()) == before
    with path.open("a") as file:
        file.write(claude_answer(1, 3))
    assert figures(look.samples()) == [3, 600, 0]
    look.close()


@pytest.mark.slow
def test_half_a_record_waits(tmp_path):
    path = claude_file(tmp_path)
    text = claude_answer(1, 1)
    path.write_text(claude_turns(1, [0]) + text[:-3])
    look = Look(tmp_path, agents=[claude.AGENT])
    assert figures(look.samples()) == [1, 200, 0]
    path.write_text(claude_turns(1, [0]) + text[:-1])
    assert figures(look.samples()) == [2, 400, 0]


@pytest.mark.slow
def test_an_older_version_left_the_last_record(tmp_path, monkeypatch):
    home, state = tmp_path / "home", tmp_path / "state"
    claude_file(home).write_text(claude_turns(1, [0]) + claude_answer(1, 1).rstrip("\n"))
    with monkeypatch.context() as older:
        older.setattr(lines, "complete_end", lambda _text: 0)
        look = Look(home, agents=[claude.AGENT], state=state)
        assert figures(look.samples()) == [1, 200, 0]
        look.close()
    look = Look(home, agents=[claude.AGENT], state=state)
    assert figures(look.samples()) == [2, 400, 0]
    look.close()


def test_files_that_cannot_be_read_report_progress_too(tmp_path):
    """Progress pings the watchdog, and a file that does not respond may take a minute."""
    (tmp_path / "a").mkdir()
    work = [scan.Work("claude", str(tmp_path / name), Cursor(), 1) for name in ("a", "b")]
    calls = []
    agents = {"claude": claude.AGENT}
    results = scan.read_all(
        work, agents, progress=lambda *each: calls.append(each), stopping=lambda: False
    )
    assert [type(result) for result in results] == [one_file.Failure, one_file.Failure]
    assert calls == [(0, 2), (0, 2)]
