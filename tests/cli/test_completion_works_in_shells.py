"""The completion scripts complete commands, options and values in real shells."""

import os
import pty
import select
import subprocess
import time

import pytest
from programs import find_program
from running import PATIENCE_SECONDS, run

from agtop_exporter.cli.commands import AGTOP, EXPORTER
from agtop_exporter.cli.completion import script

pytestmark = pytest.mark.integration

PROGRAMS = {program.name: program for program in (AGTOP, EXPORTER)}
BASH = """\
source "$1"
COMP_LINE=$2
read -ra COMP_WORDS <<< "$COMP_LINE"
[[ $COMP_LINE == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
spec=($(complete -p "${COMP_WORDS[0]}"))
"${spec[-2]}" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """\
zstyle ':completion:*' menu no
autoload -Uz compinit && compinit -u -D
eval "$(<$COMPLETION)"
PS1='ready> '
"""
CASES = [
    ("agtop js", ["json"]),
    ("agtop --wat", ["--watch"]),
    ("agtop list --no-pri", ["--no-pricing-refresh"]),
    ("agtop --plan in", ["included"]),
    ("agtop completion f", ["fish"]),
    ("agtop list --sort bi", ["billed"]),
    ("agtop-exporter doc", ["doctor"]),
    ("agtop-exporter doctor --js", ["--json"]),
    ("agtop-exporter --agent qw", ["qwen"]),
    ("agtop-exporter --log-format js", ["json"]),
    ("agtop-exporter catalogue --intervall", []),
]


def written(folder, typed, shell):
    program = PROGRAMS[typed.partition(" ")[0]]
    path = folder / f"completion.{shell}"
    path.write_text(script(program, shell))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "completed"), CASES)
def test_bash(typed, completed, tmp_path):
    path = written(tmp_path, typed, "bash")
    command = [find_program("bash"), "--norc", "-c", BASH, "bash", str(path), typed]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (completed, "")


@pytest.mark.slow
@pytest.mark.parametrize(("typed", "completed"), CASES)
def test_fish(typed, completed, tmp_path):
    path = written(tmp_path, typed, "fish")
    command = "source $argv[1]; complete -C $argv[2]"
    done = subprocess.run(
        [find_program("fish"), "--no-config", "-c", command, str(path), typed],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert (found, done.stderr) == (completed, "")


@pytest.mark.long
@pytest.mark.parametrize(("typed", "completed"), CASES)
def test_zsh(typed, completed, tmp_path):
    (tmp_path / ".zshrc").write_text(ZSH)
    path = written(tmp_path, typed, "zsh")
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [find_program("zsh"), "-d", "-i"],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env={
            **os.environ,
            "ZDOTDIR": str(tmp_path),
            "HOME": str(tmp_path),
            "COMPLETION": str(path),
            "TERM": "dumb",
        },
        start_new_session=True,
    )
    try:
        shown(terminal, until="ready> ")
        os.write(terminal, f"{typed}\t".encode())
        last = typed.split(" ")[-1]
        line = typed.removesuffix(last) + (completed[0] if completed else last)
        shown(terminal, until=line)
        os.write(terminal, b"\x15print -r -- en''d\n")  # clears the line
        assert "error" not in shown(terminal, until="\nend")
    finally:
        process.kill()
        process.wait()
        os.close(inside)
        os.close(terminal)


def shown(terminal, *, until):
    """Return the output of a terminal up to a text."""
    output = ""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while until not in output:
        left = deadline - time.monotonic()
        ready, _, _ = select.select([terminal], [], [], max(0, left))
        assert ready, f"{until!r} is not in {output!r}"
        output += os.read(terminal, 65_536).decode().replace("\r\n", "\n")
    return output


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_prints_its_script(program, shell, tmp_path):
    printed = run(program, "completion", shell, home=tmp_path).stdout
    assert printed == script(PROGRAMS[program], shell)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shell", "message"),
    [
        ("fisch", "expected bash, zsh or fish, got 'fisch'; did you mean fish?"),
        ("tcsh", "expected bash, zsh or fish, got 'tcsh'"),
    ],
)
def test_an_unknown_shell_is_reported(shell, message, tmp_path):
    done = run("agtop", "completion", shell, home=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (2, f"agtop: {message}\n")
