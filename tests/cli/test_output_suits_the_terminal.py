"""The output has no character and no color that the terminal cannot show, or the user forbids."""

import pytest
from small_homes import claude_file, claude_turns

from agtop_exporter.cli.output import is_ascii_only

pytest.importorskip("termios", reason="needs a POSIX terminal")
from pseudo_terminal import PseudoTerminal

TITLE = "課金 🛒"


@pytest.mark.parametrize(
    ("environment", "ascii_only"),
    [
        ({}, False),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "POSIX"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),  # Python has set LC_CTYPE
        ({"LANG": "C", "LC_CTYPE": "ja_JP.UTF-8"}, False),
        ({"LANG": "C", "LC_ALL": "ja_JP.UTF-8"}, False),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, True),
        ({"LANG": "ja_JP.UTF-8", "LC_CTYPE": "C"}, True),
    ],
)
def test_the_locale_c_has_only_ascii(environment, ascii_only):
    assert is_ascii_only(environment) == ascii_only


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.parametrize(
    ("variables", "title", "is_colored"),
    [
        ({}, TITLE, True),
        ({"LANG": "C", "NO_COLOR": "1"}, "?? ?", False),
        ({"TERM": "dumb"}, TITLE, False),
    ],
)
def test_the_table_suits_the_terminal(tmp_path, variables, title, is_colored):
    claude_file(tmp_path).write_text(claude_turns(1, [0]).replace("prompt 0", TITLE))
    flags = ("--no-state", "--no-pricing-refresh")
    with PseudoTerminal(
        "agtop", "list", *flags, home=tmp_path, columns=250, **variables
    ) as terminal:
        assert terminal.end() == 0
        assert title in terminal.output
        assert ("\x1b[2mclosed" in terminal.output) == is_colored
        assert ("\x1b" in terminal.output) == is_colored
