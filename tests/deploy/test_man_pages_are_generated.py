"""The man pages have every command and option, equal their generator, and are in the wheel."""

import re
import runpy
import zipfile
from argparse import SUPPRESS

import pytest
from hatchling.builders.wheel import WheelBuilder
from places import ROOT

from agtop_exporter.cli.commands import AGTOP, EXPORTER

FOLDER = ROOT / "deploy" / "man"
PROGRAMS = pytest.mark.parametrize("program", [AGTOP, EXPORTER], ids=lambda program: program.name)


@PROGRAMS
def test_the_committed_page_is_the_generated_one(program, golden):
    page = runpy.run_path(str(FOLDER / "generate.py"))["page"]
    golden(FOLDER / f"{program.name}.1", page(program))


@PROGRAMS
def test_every_command_and_option_is_on_the_page(program):
    page = (FOLDER / f"{program.name}.1").read_text().replace("\\-", "-")
    for command in (program.default, *program.commands):
        assert f"\n.B {command.typed('').strip() or program.name}\n" in page
        for option in command.all_options():
            assert option.help == SUPPRESS or f"\\fB{option.flag}\\fR" in page


@PROGRAMS
def test_every_line_is_text_or_a_known_macro(program):
    macros = {"TH", "SH", "TP", "IP", "B", "I", "BR", "RS", "RE"}
    for line in (FOLDER / f"{program.name}.1").read_text().splitlines():
        assert not line.startswith("'")
        assert not line.startswith(".") or re.split(r"\W", line)[1] in macros
        assert not re.search(r"\\(?![-e&]|f[BIR])", line)


@pytest.mark.slow
def test_the_wheel_has_the_pages(tmp_path):
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = zipfile.ZipFile(wheel).namelist()
    pages = {name.partition(".data/data/")[2] for name in names if name.endswith(".1")}
    assert pages == {"share/man/man1/agtop-exporter.1", "share/man/man1/agtop.1"}
