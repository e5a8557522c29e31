"""The last line: the number of sessions shown, the filter, and the keys that have an effect."""

from collections.abc import Sequence

from agtop_exporter.top.keys import Key, key_line
from agtop_exporter.top.look import UNKNOWN
from agtop_exporter.top.selection import Selection
from agtop_exporter.top.spans import MASK, Line, Span, clipped, visible, width_of
from agtop_exporter.top.view_state import ViewState

LAST = ("? help", "q quit")  # these keys stay when the line is too narrow


def footer(
    state: ViewState, keys: Sequence[Key], selection: Selection, *, width: int, error: str = ""
) -> Line:
    """Return the footer in `width` cells. Keys that do not fit are left out."""
    if state.editing:
        return clipped(((" " * (width // 2 + 1), ""), *_matches(selection, error)), width)
    left = _summary(state, selection, error)
    shown = [key for key in keys if key.short]
    while shown and width_of(left) + width_of(key_line(shown)) > width:
        leaving = next((key for key in reversed(shown) if key.short not in LAST), None)
        if leaving is None:
            break
        shown.remove(leaving)
    return clipped((*left, *key_line(shown)), width)


def _matches(selection: Selection, error: str) -> list[Span]:
    """Return the number of sessions shown, and the reason why the filter is not valid."""
    every = selection.shown + selection.hidden
    reason = [(f" {error}", "high")] if error else []
    return [(f"{selection.shown} of {every}", "bold"), *reason]


def _summary(state: ViewState, selection: Selection, error: str) -> Line:
    if state.overlay:
        return ((f"{state.overlay}  ", "bold"),)
    if state.place == "totals":
        return (("totals by ", ""), (state.group, "bold"), (f", {state.range}  ", ""))
    if state.place == "limits":
        return (("limits  ", "bold"),)
    count, *reason = _matches(selection, error)
    spans: list[Span] = [count, (f" · {_scope_name(state)}", "")]
    if state.filter_text:
        text = MASK if state.masked else visible(state.filter_text)
        spans.append((f" · /{text}", "high" if error else "bold"))
    spans += reason
    if state.sort != "attention" or state.flipped:
        spans.append((f" · by {state.sort}{' reversed' if state.flipped else ''}", ""))
    return (*spans, ("  ", ""))


def _scope_name(state: ViewState) -> str:
    """Return which sessions the list shows, as text for the footer.

    If a group of the totals is open, the text has the kind of the group, its name and the range of
    days. Otherwise it is the scope: `live`, `live+today` or `all`.
    """
    if state.drilled is None:
        return state.scope
    name = MASK if state.masked else visible(state.drilled_name) or UNKNOWN
    return f"{state.group} {name}, {state.range}"
