"""A table without sessions names what was searched, and what the user can try."""

import pytest
from running import run
from small_homes import claude_file, claude_turns

from agtop_exporter.agents import load_agents

pytestmark = pytest.mark.integration


def table(home, *flags, **options):
    return run(
        "agtop", "list", "--no-state", "--no-pricing-refresh", *flags, home=home, **options
    ).stdout


@pytest.mark.slow
def test_every_agent_is_named_with_a_searched_path(tmp_path):
    page = table(tmp_path)
    for agent in load_agents():
        root = agent.roots(tmp_path, {})[0]
        (line,) = (line for line in page.splitlines() if line.startswith(f"  {agent.name} "))
        assert f"not found: ~/{root.relative_to(tmp_path)}" in line
    assert "--home DIR" in page
    assert "agtop-exporter doctor" in page


@pytest.mark.slow
def test_an_empty_directory_is_found(tmp_path):
    (tmp_path / ".claude/projects").mkdir(parents=True)
    assert "no sessions in ~/.claude/projects" in table(tmp_path, "--agent", "claude")


@pytest.mark.slow
def test_a_missing_home_is_named(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, [0]))
    line = "the home directory /nonexistent does not exist\n"
    assert table(tmp_path, "--home", "/nonexistent").startswith(f"{line}No sessions were found.\n")
    file = tmp_path / "file"
    file.touch()
    assert table(tmp_path, "--home", file).startswith(f"the home directory {file} is a file\n")
    page = table(tmp_path, "--home", "/nonexistent", "--home", tmp_path)
    assert line in page
    assert "1 session, " in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--sort", "cots"), "--sort: no such column: cots; did you mean cost?"),
        (("--sort", "\x1b"), "--sort: no such column: '\\x1b' (columns: agent, user, "),
        (("--project", "alpa"), "--project: no session is in alpa; did you mean alpha?"),
        (("--project", "x"), "--project: no session is in x (the latest projects: alpha)"),
        (("--since", "now"), "--since: expected a day such as 2026-03-01 or a time such as "),
        (("--since", "0001-01-01"), "--since: expected a day such as 2026-03-01 or a time"),
    ],
)
def test_a_wrong_value_is_one_line_with_a_hint(tmp_path, flags, message):
    claude_file(tmp_path).write_text(claude_turns(1, [0]))
    done = run("agtop", "list", "--no-state", *flags, home=tmp_path, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"agtop: {message}")


@pytest.mark.slow
def test_a_project_is_not_missed_while_nothing_is_found(tmp_path):
    assert table(tmp_path, "--project", "x").startswith("No sessions were found.\n")


@pytest.mark.long
def test_options_select_rows(tmp_path):
    claude_file(tmp_path).write_text(claude_turns(1, [0]))
    assert "1 session, " in table(tmp_path, "--project", "alpha", "--since", "2026-01-01", "--all")
    nothing = "No session matches the options (1 session without them)\n"
    assert table(tmp_path, "--live") == nothing
    assert table(tmp_path, "--since", "2999-01-01T00:00:00+02:00") == nothing
    assert "COST" in table(tmp_path, "--sort", "COST$")
