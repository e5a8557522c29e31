"""`agtop list --watch` fills the terminal, follows its size, and leaves it as it was."""

import signal
import sys
from pathlib import Path

import pytest
from small_homes import claude_file, claude_turns

pytest.importorskip("termios", reason="needs a POSIX terminal")
from pseudo_terminal import PseudoTerminal

pytestmark = pytest.mark.integration

OPEN, CLOSE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
FLAGS = ("--no-state", "--no-pricing-refresh")
SESSIONS = 60
WITHOUT_POSIX = Path(__file__).parents[1] / "support" / "without_posix"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a home with more sessions than a terminal has lines."""
    folder = tmp_path_factory.mktemp("home")
    for number in range(SESSIONS):
        claude_file(folder, number + 1).write_text(claude_turns(number + 1, [0]))
    return folder


def watch(home, *flags, **options):
    options = {"NO_COLOR": "1", **options}
    return PseudoTerminal(
        "agtop", "list", "--watch", "--delay", 1, *FLAGS, *flags, home=home, **options
    )


def is_restored(terminal):
    return terminal.modes() == terminal.modes_before and terminal.output.endswith(CLOSE)


@pytest.mark.long
@pytest.mark.parametrize("key", ["q", "\x03"], ids=["q", "Ctrl-C"])
def test_a_key_ends_it(home, key):
    with watch(home) as terminal:
        terminal.frame()
        assert terminal.modes() != terminal.modes_before
        terminal.type(key)
        assert (terminal.end(), is_restored(terminal)) == (0, True)


@pytest.mark.long
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_restores_the_terminal(home, name):
    number = signal.Signals[name]
    with watch(home) as terminal:
        terminal.frame()
        terminal.send(number)
        assert (terminal.end(), is_restored(terminal)) == (128 + number, True)


@pytest.mark.long
def test_a_suspended_program_leaves_the_terminal_to_the_shell(home):
    with watch(home) as terminal:
        terminal.frame()
        terminal.type("\x1a")
        terminal.stop()
        terminal.until(lambda output: output.endswith(CLOSE))
        assert is_restored(terminal)
        terminal.output = ""
        terminal.send(signal.SIGCONT)
        terminal.until(lambda output: OPEN in output)
        terminal.frame()
        terminal.type("Q")
        assert (terminal.end(), is_restored(terminal)) == (0, True)


@pytest.mark.long
def test_the_table_fits_the_terminal_and_follows_its_size(home):
    with watch(home) as terminal:
        for columns, lines in ((80, 24), (200, 50), (80, 12)):
            terminal.resize(columns, lines)
            page = terminal.frame(lambda lines_, height=lines: len(lines_) == height)
            assert page[0].split()[-1] == ("COST$" if columns == 80 else "TITLE")
            assert any(line.startswith(f"{SESSIONS} sessions, ") for line in page)
            assert page[-1].endswith("every 1 s, q quits")
            assert all(len(line) <= columns for line in page)


@pytest.mark.long
def test_data_are_shown_as_they_come(tmp_path):
    with watch(tmp_path) as terminal:
        assert any("No sessions were found" in line for line in terminal.frame())
        claude_file(tmp_path).write_text(claude_turns(1, [0]))
        terminal.frame(lambda lines: any(line.startswith("1 session, ") for line in lines))


@pytest.mark.long
@pytest.mark.parametrize("flags", [("--project", "x"), ("--sort", "x")])
def test_a_mistake_is_reported_before_the_screen_opens(home, flags):
    with watch(home, *flags) as terminal:
        assert terminal.end() == 2
        assert OPEN not in terminal.output
        assert terminal.output.startswith(f"agtop: {flags[0]}: ")


@pytest.mark.long
def test_a_dumb_terminal_gets_one_table_after_another(home):
    with watch(home, TERM="dumb") as terminal:
        terminal.until(lambda output: output.count("list price") == 2)
        assert "\x1b" not in terminal.output
        terminal.type("\x03")
        assert terminal.end() == 0


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="takes away what Linux has")
def test_without_posix_there_are_no_keys(home):
    with watch(home, PYTHONPATH=str(WITHOUT_POSIX), USERNAME="ada") as terminal:
        terminal.frame()
        assert terminal.modes() == terminal.modes_before
        terminal.type("q")
        terminal.frame()
        terminal.type("\x03")
        assert terminal.end() == 0
        assert CLOSE in terminal.output
