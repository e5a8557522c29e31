"""A mistake in the options of a report is one line that says what to type."""

import sys
from zoneinfo import ZoneInfo, reset_tzpath

import pytest

from agtop_exporter.cli import agtop


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("daily --by projct", "--by: no such value: 'projct'; did you mean project?"),
        ("daily --timezone Europe/Berlln", "did you mean Europe/Berlin?"),
        ("daily --timezone ../../etc/passwd", "--timezone: no such time zone: ../../etc/passwd"),
        ("weekly --week-start sunnday", "did you mean sunday?"),
        ("daily --week-start sunday", "--week-start is not an option of `agtop daily`"),
        ("daily --since yesterday", "expected a day such as 2026-03-01, got 'yesterday'"),
        ("daily --since 0001-01-01", "expected a day such as 2026-03-01"),
        ("blocks --since 9999-12-31", "expected a day such as 2026-03-01"),
        ("daily --since 2026-03-02 --until 2026-03-01", "2026-03-02 is after --until 2026-03-01"),
        ("--since 2026-03-02 daily --until 2026-03-01", "2026-03-02 is after --until 2026-03-01"),
        ("today --json --line", "exclude each other"),
    ],
)
def test_mistakes(capsys, words, message):
    with pytest.raises(SystemExit) as ended:
        agtop(words.split())
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert len(lines) == 1
    assert message in lines[0]


def test_a_system_without_time_zones_is_named(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tzdata", None)  # no such package
    reset_tzpath(to=["/nonexistent"])
    ZoneInfo.clear_cache()
    try:
        with pytest.raises(SystemExit) as ended:
            agtop(["daily", "--timezone", "Europe/Berlin"])
    finally:
        reset_tzpath()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "agtop: --timezone: the time zones of this system are missing: install the package tzdata\n"
    )
