"""Each command has its own help and options. An invalid argument is reported in one line."""

import platform
import re
from argparse import SUPPRESS

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import run

from agtop_exporter import __version__
from agtop_exporter.cli.arguments import UsageError, parse
from agtop_exporter.cli.commands import AGTOP, EXPORTER
from agtop_exporter.settings import Settings

pytestmark = pytest.mark.integration

COMMANDS = [
    (program, command)
    for program in (EXPORTER, AGTOP)
    for command in (program.default, *program.commands)
]
NOT_TAKEN = "is not an option of `agtop-exporter"


def words(text):
    return text.split()


@pytest.mark.parametrize(
    ("typed", "module"),
    [
        ("agtop-exporter", "serve"),
        ("agtop-exporter --once", "once"),
        ("agtop-exporter --once --json", "json"),
        ("agtop-exporter --json --once", "json"),
        ("agtop-exporter --once --textfile a.prom", "once"),
        ("agtop-exporter doctor", "doctor"),
        ("agtop-exporter --json doctor", "doctor"),
        ("agtop-exporter check-config --interval 3", "check_config"),
        ("agtop-exporter --interval 3 check-config", "check_config"),
        ("agtop-exporter catalogue", "catalogue"),
        ("agtop-exporter --no-state catalogue", "catalogue"),
        ("agtop-exporter install-service", "install_service"),
        ("agtop-exporter install-service --interval 30", "install_service"),
        ("agtop-exporter --interval 30 install-service", "install_service"),
        ("agtop-exporter install-service --uninstall", "install_service"),
        ("agtop-exporter top", "top"),
        ("agtop", "plain"),
        ("agtop --delay 3", "plain"),
        ("agtop top --delay 3 --no-mouse", "top"),
        ("agtop -D --log-file a.log", "top"),
        ("agtop list", "table"),
        ("agtop --list", "table"),
        ("agtop -l -w -d 3", "table"),
        ("agtop --watch list --delay 3", "table"),
        ("agtop --live list --sort cost --project a --since 2026-03-01 --all", "table"),
        ("agtop json", "json"),
        ("agtop --json", "json"),
        ("agtop -j", "json"),
        ("agtop list --json", "json"),
        ("agtop json --json", "json"),
        ("agtop json --schema", "schema"),
        ("agtop completion bash", "completion"),
        ("agtop-exporter completion fish", "completion"),
        ("agtop --no-cache --backend claude", "plain"),  # as rust-agtop has them
    ],
)
def test_typed_words_select_a_command(typed, module):
    name, *rest = words(typed)
    assert parse({"agtop": AGTOP}.get(name, EXPORTER), rest)[0] == module


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("agtop-exporter fly", "no such command: fly (commands: doctor, check-config,"),
        ("agtop-exporter doctr", "no such command: doctr; did you mean doctor?"),
        ("agtop-exporter --intervall 3", "no such option: --intervall; did you mean --interval?"),
        ("agtop-exporter doctor --agnet pi", "no such option: --agnet; did you mean --agent?"),
        ("agtop-exporter doctor --x", "no such option: --x; see `agtop-exporter doctor --help`"),
        ("agtop-exporter doctor now", "unexpected argument: now"),
        ("agtop-exporter --once doctor", f"--once {NOT_TAKEN} doctor`; `agtop-exporter` has it"),
        ("agtop-exporter doctor --once", f"--once {NOT_TAKEN} doctor`; `agtop-exporter` has it"),
        ("agtop-exporter catalogue --json", f"--json {NOT_TAKEN} catalogue`"),
        (
            "agtop-exporter check-config --example --config x",
            "--example and --config exclude each other: leave one of them out",
        ),
        (
            "agtop-exporter reprice --interval 30",
            f"--interval {NOT_TAKEN} reprice`; `agtop-exporter`, `agtop-exporter check-config` and",
        ),
        (
            "agtop-exporter install-service --uninstall --interval 30",
            "--uninstall and --interval exclude each other: leave one of them out",
        ),
        ("agtop-exporter --json", "--json needs --once: type `agtop-exporter --once --json`"),
        (
            "agtop-exporter --otlp --once",
            "--once and --otlp exclude each other: leave one of them out",
        ),
        ("agtop-exporter --once --json --textfile a.prom", "--json and --textfile exclude each"),
        ("agtop-exporter --once=1", "--once: takes no value, got '1'"),
        ("agtop-exporter --interval", "--interval: expected one argument"),
        (
            "agtop list --delay 3",
            "--delay needs --watch: type `agtop list --watch --delay SECONDS`",
        ),
        ("agtop --json --watch", "--json and --watch exclude each other: leave one of them out"),
        ("agtop --json --list", "--json and --list exclude each other: leave one of them out"),
        ("agtop list --json --live", "--json and --live exclude each other: leave one of them out"),
        (
            "agtop json --sort cost",
            "--sort is not an option of `agtop json`; `agtop` and `agtop list` have it",
        ),
        (
            "agtop price --home x",
            "--home is not an option of `agtop price MODEL`: see `agtop price MODEL --help`",
        ),
        ("agtop --interval 3", "--interval is not an option of `agtop`; `agtop-exporter`, `agtop"),
        ("agtop --by project", "--by is not an option of `agtop`; `agtop daily`, `agtop weekly`"),
        ("agtop --by=project", "--by is not an option of `agtop`; `agtop daily`, `agtop weekly`"),
        ("agtop --bogus fly", "no such option: --bogus; see `agtop --help`"),
        ("agtop fly --bogus", "no such command: fly (commands: top,"),
        ("agtop --hom x fly", "no such command: fly (commands: top,"),
        ("agtop doctor", "no such command: doctor; type `agtop-exporter doctor`"),
        ("agtop-exporter price x", "no such command: price; type `agtop price MODEL`"),
        ("agtop help", "no such command: help; type `agtop --help`"),
        ("agtop-exporter --live", f"--live {NOT_TAKEN}`; `agtop` and `agtop list` have it"),
        ("agtop -w -d -1", "-d/--delay: expected a number of seconds greater than 0"),
        ("agtop completion", "SHELL is missing: type `agtop completion SHELL`"),
        ("agtop --log-file=F --list", "--list and --log-file exclude each other"),
        ("agtop -D --watch", "--watch and --dashboard exclude each other"),
        ("agtop --json --no-mouse", "--json and --no-mouse exclude each other"),
        ("agtop -v", "no such option: -v; set AGTOP_LOG_LEVEL=info instead"),
        ("agtop list --verbose", "no such option: --verbose; set AGTOP_LOG_LEVEL=info instead"),
        ("agtop --no-update-check", "no such option: --no-update-check; this program never checks"),
        ("agtop quota list", "no such command: quota; `agtop top` shows the rate limits"),
        ("agtop list --delay 3", "--delay needs --watch: type `agtop list --watch --delay SEC"),
        ("agtop --watch --delay -1", "-d/--delay: expected a number of seconds greater than 0"),
    ],
)
def test_what_is_not_understood(typed, message):
    name, *rest = words(typed)
    with pytest.raises(UsageError) as caught:
        parse({"agtop": AGTOP}.get(name, EXPORTER), rest, [EXPORTER, AGTOP])
    assert str(caught.value).startswith(message)


def test_options_before_and_after_the_command_are_one_list():
    _, options = parse(EXPORTER, words("--home a --client pi doctor --home b --agent qwen"))
    assert (options.home, options.agent) == (["a", "b"], ["pi", "qwen"])


@pytest.mark.slow
def test_every_setting_has_an_option_and_a_line_of_help(tmp_path):
    page = run("agtop-exporter", "--help", home=tmp_path).stdout
    for name in set(Settings.model_fields) - {"budgets", "prices", "store_titles"}:
        assert f"--{name.replace('_', '-')}" in page.replace(",", " ").split()
        assert f"AGTOP_{name.upper()}]" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "command"), COMMANDS, ids=[f"{p.name} {c.name}" for p, c in COMMANDS]
)
def test_each_command_has_its_own_help(program, command, tmp_path):
    arguments = [command.name] if command.name else []
    page = run(program.name, *arguments, "--help", home=tmp_path).stdout
    assert page.startswith(f"usage: {command.typed(program.name)} [OPTION]...")
    known = {option.flag for option in command.all_options() if option.help != SUPPRESS}
    others = {option.flag for _, other in COMMANDS for option in other.all_options()} - known
    shown = {word.strip(",[]") for word in page.split() if word.startswith("--")}
    assert known <= shown
    assert not others & shown


@pytest.mark.slow
@pytest.mark.parametrize("typed", ["agtop --intervall 3", "agtop-exporter fly", "agtop a\nb"])
def test_a_mistake_is_one_line_with_status_2(typed, tmp_path):
    program, *arguments = typed.split(" ")
    done = run(program, *arguments, home=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("flag", ["--version", "-V"])
@pytest.mark.parametrize("program", ["agtop", "agtop-exporter"])
def test_version(program, flag, tmp_path):
    said = run(program, flag, home=tmp_path, COLUMNS="40").stdout
    facts = rf"(revision \w+(-dirty)?, )?Python 3\.\S+, SQLite 3\.\S+, {platform.system()} \S+"
    assert re.fullmatch(rf"{program} {re.escape(__version__)} \({facts}\)\n", said)


vocabulary = st.sampled_from(
    [
        *(flag for _, command in COMMANDS for o in command.all_options() for flag in o.names),
        *(command.name for _, command in COMMANDS),
        *("3", "-1", "pi", "--", "-", "--x", "-x", "a\nb", "--once=1", "--home=/a", ""),
    ]
)


@pytest.mark.slow
@given(st.sampled_from([EXPORTER, AGTOP]), st.lists(vocabulary, max_size=5))
def test_any_arguments_are_accepted_or_reported_in_one_line(program, typed):
    modules = {name for _, one in COMMANDS for name in (one.module, *one.instead.values())}
    try:
        said = parse(program, typed)[0]
    except UsageError as error:
        said = str(error)
    assert said in modules or (" " in said and said.isprintable())
