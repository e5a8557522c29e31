"""Writes settings as TOML: the effective settings with their origins, and an example file."""

import textwrap
from datetime import date, datetime
from typing import Any

import msgspec
import tomli_w

from agtop_exporter.settings.fields import FIELDS, Settings
from agtop_exporter.settings.form import Form
from agtop_exporter.settings.loading import Origins
from agtop_exporter.settings.mistakes import expectation
from agtop_exporter.settings.toml import Keys, key_lines, printable

COLUMNS = 98  # of the comments in the example

HEAD = """\
# Settings of agtop-exporter. `agtop-exporter check-config --example` prints this file.
# Copy it to ~/.config/agtop-exporter/config.toml. To change a setting, remove the # before it.
# Variables (AGTOP_INTERVAL=10) override this file, and flags (--interval 10) override both.
# `agtop-exporter check-config` prints the effective settings and where each comes from.
"""

EXAMPLES = {  # of settings that TOML has as tables
    "budgets": """\
[[budgets]]
usd = 200               # US dollars at list prices
period = "month"        # day, week (from Monday) or month, in the time zone of the machine

[[budgets]]
name = "shop"           # optional: the label `budget` of the metrics
usd = 20
period = "day"
project = "shop"        # optional, like `agent`
""",
    "prices": """\
[prices."my-model-*"]
input = 4               # also output, cache_read, cache_write_5m and cache_write_1h
output = 20
over_agent_cost = true  # billed instead of a cost that the agent recorded

[[prices."azure/gpt-5"]]
until = 2026-03-01
input = 1.1

[[prices."azure/gpt-5"]]
from = 2026-03-01
input = 1
tiers = { priority = 2 }
above = [{ tokens = 200000, input = 2, output = 15 }]
web_search = 0.01       # US dollars per search
""",
}


def as_toml(settings: Settings, origins: Origins) -> str:
    """Return all settings as TOML. A comment after each value names its origin."""
    text = "\n".join(map(printable, tomli_w.dumps(_values(settings)).split("\n")))
    keys_of_line = {line: keys for keys, line in key_lines(text).items()}
    lines, comment = [], ""
    for number, line in enumerate(text.split("\n"), start=1):
        if number in keys_of_line:
            found = _origins(keys_of_line[number], origins)
            is_table = line.startswith("[")  # only tables of several sources are merged
            comment = "  # " + printable(", ".join(found if is_table else found[:1]))
        starts_value = line and not line.startswith((" ", "]"))
        lines.append(line + comment if starts_value else line)
    return "\n".join(lines)


def example() -> str:
    """Return a TOML file with all settings, commented out, with descriptions and defaults."""
    parts = [HEAD]
    for name, value in _values(Settings()).items():
        text = EXAMPLES.get(name) or tomli_w.dumps({name: value})
        lines = text.splitlines()
        parts.append(_description(name) + "".join(f"#{line}\n" if line else "\n" for line in lines))
    return "\n".join(parts)


def _values(settings: Settings) -> dict[str, Any]:
    """Return the settings as values that TOML has. Tables come last."""
    values: dict[str, Any] = msgspec.to_builtins(dict(settings), builtin_types=(date, datetime))
    return {name: values[name] for name in sorted(values, key=lambda name: name in EXAMPLES)}


def _origins(keys: Keys, origins: Origins) -> tuple[str, ...]:
    """Return the origins of a value, such as the file.

    If the value itself has none, return the origins of the innermost table around it that has some.
    A default that the value does not show is described.
    """
    known = (origins.of(keys[:end]) for end in range(len(keys), 0, -1))
    text = Form.of(FIELDS[keys[0]]).default_text
    return next(filter(None, known), (f"default: {text}" if text else "default",))


def _description(name: str) -> str:
    """Return the comments above a setting: its description, and its values."""
    field = FIELDS[name]
    form = Form.of(field)
    facts = [f"Value: {expectation(field)}."]
    if form.default_text:
        facts.append(f"Default: {form.default_text}.")
    if form.needs_restart:
        facts.append("A change needs a restart.")
    paragraphs = (str(field.description), " ".join(facts))
    return "".join(
        f"{textwrap.fill(one, COLUMNS, initial_indent='# ', subsequent_indent='# ')}\n"
        for one in paragraphs
    )
