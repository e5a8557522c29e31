"""Declares every key once. The bindings, the footer and the help are made from KEYS."""

from collections.abc import Iterable
from typing import get_args

import msgspec

from agtop_exporter.top.spans import Line, Span
from agtop_exporter.top.view_state import Context

EVERYWHERE: tuple[Context, ...] = get_args(Context)
PLACES: tuple[Context, ...] = ("sessions", "totals", "limits", "detail")
SESSIONS: tuple[Context, ...] = ("sessions",)
TOTALS: tuple[Context, ...] = ("totals",)
WITH_DETAIL: tuple[Context, ...] = ("sessions", "detail")


class Key(msgspec.Struct, frozen=True):
    """One or several keys with the same action, and the contexts in which they have it.

    `keys` has Textual's names of the keys. `shown` is the text in the help, and `short` the text in
    the footer; if `short` is empty, the footer does not show the keys. If `priority` is true, the
    keys also work in a text field.
    """

    keys: str
    action: str
    arguments: tuple[int | str, ...]
    label: str
    contexts: tuple[Context, ...]
    shown: str
    short: str = ""
    priority: bool = False


KEYS = (
    Key("j,down", "move", (1,), "next line", EVERYWHERE, "j ↓"),
    Key("k,up", "move", (-1,), "previous line", EVERYWHERE, "k ↑"),
    Key("pagedown", "page", (1,), "next page", EVERYWHERE, "PgDn"),
    Key("pageup", "page", (-1,), "previous page", EVERYWHERE, "PgUp"),
    Key("g", "group", (), "group by agent, model, project, plan", TOTALS, "g", "g group"),
    Key("g,home", "edge", (-1,), "first line", EVERYWHERE, "g Home"),
    Key("G,end", "edge", (1,), "last line", EVERYWHERE, "G End"),
    Key("left", "range", (-1,), "shorter range of days", TOTALS, "←"),
    Key("right", "range", (1,), "longer range of days", TOTALS, "→", "←→ range"),
    Key("slash", "filter", (), "filter; Enter keeps it, Esc clears it", SESSIONS, "/", "/ filter"),
    Key(
        "s,f6,greater_than_sign",
        "sort",
        (1,),
        "sort by the next column",
        SESSIONS,
        "s F6 >",
        "s sort",
    ),
    Key("less_than_sign", "sort", (-1,), "sort by the previous column", SESSIONS, "<"),
    Key("i,S", "flip", (), "reverse the order", SESSIONS, "i S"),
    Key("enter", "open", (), "show the detail", SESSIONS, "Enter", "enter detail"),
    Key("enter", "open", (), "show the sessions of the group", TOTALS, "Enter", "enter sessions"),
    Key(
        "enter,space",
        "pick",
        (),
        "show or hide the column",
        ("columns",),
        "Enter Space",
        "space pick",
    ),
    Key("v", "scope", (), "live sessions, today's too, or all", SESSIONS, "v", "v scope"),
    Key("escape", "back", (), "back, or clear the filter", EVERYWHERE, "Esc", "esc back"),
    Key("tab", "tab", (1,), "next tab", WITH_DETAIL, "Tab", "tab next"),
    Key("shift+tab", "tab", (-1,), "previous tab", WITH_DETAIL, "Shift-Tab"),
    *(
        Key(str(number), "choose_tab", (number - 1,), f"tab {number}", WITH_DETAIL, str(number))
        for number in range(1, 7)
    ),
    Key("z", "zoom", (), "fill the screen with the detail", WITH_DETAIL, "z", "z zoom"),
    Key("t,space", "fold", (), "show or hide the subagents", SESSIONS, "t Space", "t subagents"),
    Key("d", "place", ("sessions",), "Sessions", PLACES, "d", "d sessions"),
    Key("a", "place", ("totals",), "Totals", PLACES, "a", "a totals"),
    Key("l", "place", ("limits",), "Limits", PLACES, "l", "l limits"),
    Key("r,f5", "refresh_now", (), "refresh now", PLACES, "r F5"),
    Key("p", "pause", (), "stop and continue the refreshes", PLACES, "p"),
    Key("m", "mask", (), "hide titles, paths and projects", PLACES, "m"),
    Key("C", "overlay", ("columns",), "choose the columns", SESSIONS, "C"),
    Key("exclamation_mark", "overlay", ("notices",), "notices", PLACES, "!"),
    Key("question_mark,f1,h", "overlay", ("help",), "this help", PLACES, "? F1 h", "? help"),
    Key("ctrl+z", "suspend_process", (), "suspend; `fg` continues", EVERYWHERE, "Ctrl-Z"),
    Key("q", "leave", (), "quit", EVERYWHERE, "q", "q quit"),
    Key("f10,ctrl+c,ctrl+q", "leave", (), "quit", EVERYWHERE, "F10 Ctrl-C Ctrl-Q", priority=True),
)
"""All keys.

If two entries have the same key, the later entry is for the contexts that the earlier one does not
have.
"""


def keys_in(context: Context) -> list[Key]:
    """Return the keys that act in a context, in the order of KEYS."""
    taken: set[str] = set()
    found = []
    for key in KEYS:
        if context in key.contexts and not taken.issuperset(key.keys.split(",")):
            taken.update(key.keys.split(","))
            found.append(key)
    return found


def key_line(keys: Iterable[Key]) -> Line:
    """Return the short form of the keys that have one: `/ filter  s sort  q quit`."""
    spans: list[Span] = []
    for key in keys:
        if key.short:
            name, _, label = key.short.partition(" ")
            spans += [("  " if spans else "", ""), (name, "bold"), (f" {label}", "dim")]
    return tuple(spans)


FILTER_HELP = (
    ("word", "occurs in project, title, agent, model, id, path, branch, plan, pid or state"),
    ("state:wait", "occurs in one of these"),
    ("!word", "does not occur"),
    ("cost>1", "compares cost, ctx, cpu, mem, tokens or age (age<1h)"),
)
MOUSE_HELP = (
    ("click", "selects a line; a second click opens it; a click on a title sorts"),
    ("Shift-drag", "selects text; with --no-mouse, a drag does"),
)
SHOWN_CELLS = 18


def help_lines() -> list[Line]:
    """Return the lines of the help.

    They explain all keys with their actions and contexts, the language of the filter, and the
    mouse.
    """
    lines = [_help_line("1 to 6", "tab of the detail", "")]
    for key in KEYS:
        if key.action != "choose_tab":
            where = "" if len(key.contexts) > len(WITH_DETAIL) else f" ({', '.join(key.contexts)})"
            lines.append(_help_line(key.shown, key.label, where))
    for title, entries in (
        ("Filter: terms that must all fit", FILTER_HELP),
        ("Mouse", MOUSE_HELP),
    ):
        lines += [(), ((f"  {title}", "bold"),)]
        lines += [_help_line(term, meaning, "") for term, meaning in entries]
    return lines


def _help_line(shown: str, label: str, where: str) -> Line:
    return ((f"  {shown:<{SHOWN_CELLS}}", "bold"), (label, ""), (where, "dim"))
