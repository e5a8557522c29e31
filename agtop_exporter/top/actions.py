"""The actions of keys: functions that take the state of the view and return its next state."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from agtop_exporter.top.columns import BY_TITLE, COLUMNS
from agtop_exporter.top.detail import TABS
from agtop_exporter.top.history import SessionId
from agtop_exporter.top.keys import Key, keys_in
from agtop_exporter.top.order import ATTENTION, SCOPES
from agtop_exporter.top.rows import Row
from agtop_exporter.top.totals import GROUPS, RANGES, Total
from agtop_exporter.top.view_state import START, Cursor, Overlay, Place, ViewState

SORTS = (ATTENTION, *(column.title for column in COLUMNS))
T = TypeVar("T")


class Scene(msgspec.Struct, frozen=True):
    """The facts about the present screen that an action uses.

    `page` is the number of lines of the part that the keys act on. `text_lines` is the number of
    lines of the detail or of the help; None if the keys act on a list.
    """

    keys: tuple[SessionId, ...] = ()
    page: int = 1
    text_lines: int | None = None
    is_small: bool = False
    shows_detail: bool = False
    row: Row | None = None
    total: Total | None = None


Action = Callable[..., ViewState]


def keys_of(state: ViewState, scene: Scene) -> list[Key]:
    """Return the keys that have an effect in this state of the view."""
    return [key for key in keys_in(state.context) if _is_enabled(key, state, scene)]


def _is_enabled(key: Key, state: ViewState, scene: Scene) -> bool:
    if key.action in {"tab", "choose_tab"}:
        return scene.shows_detail
    if key.action == "zoom":
        return scene.shows_detail and not scene.is_small
    if key.action == "back":
        return _back(state, scene) != state
    return True


def _move(state: ViewState, scene: Scene, by: int) -> ViewState:
    if scene.text_lines is not None:
        last = max(0, scene.text_lines - scene.page)
        return replace(state, scroll=min(last, max(0, state.scroll + by)))
    cursor = state.cursors.get(state.list_name, START).moved(by, scene.keys)
    state = replace(state, cursors={**state.cursors, state.list_name: cursor})
    return replace(state, scroll=0) if state.list_name == "sessions" else state


def _page(state: ViewState, scene: Scene, pages: int) -> ViewState:
    return _move(state, scene, pages * max(1, scene.page - 1))


def _edge(state: ViewState, scene: Scene, direction: int) -> ViewState:
    lines = len(scene.keys) if scene.text_lines is None else scene.text_lines
    return _move(state, scene, direction * lines)


def select_line(state: ViewState, scene: Scene, index: int) -> ViewState:
    """Return the state with the cursor on a line of the list."""
    here = state.cursors.get(state.list_name, START)
    return _move(state, replace(scene, text_lines=None), index - here.index)


def _group(state: ViewState, _scene: Scene) -> ViewState:
    return _without_cursor(replace(state, group=_next(GROUPS, state.group)))


def _range(state: ViewState, _scene: Scene, step: int) -> ViewState:
    place = min(len(RANGES) - 1, max(0, RANGES.index(state.range) + step))
    return replace(state, range=RANGES[place])


def _sort(state: ViewState, _scene: Scene, step: int) -> ViewState:
    return replace(state, sort=_next(SORTS, state.sort, step), flipped=False)


def sort_by(state: ViewState, column: str) -> ViewState:
    """Return the state in which the list is sorted by a column.

    If it is already sorted by this column, the order is reversed.
    """
    flipped = not state.flipped if state.sort == column else False
    return replace(state, sort=column, flipped=flipped)


def _flip(state: ViewState, _scene: Scene) -> ViewState:
    return replace(state, flipped=not state.flipped)


def _scope(state: ViewState, _scene: Scene) -> ViewState:
    return replace(state, scope=_next(SCOPES, state.scope))


def _fold(state: ViewState, scene: Scene) -> ViewState:
    if scene.row is None or not scene.row.subagents:
        return state
    return replace(state, unfolded=state.unfolded ^ {scene.row.key})


def _open(state: ViewState, scene: Scene) -> ViewState:
    if state.place == "totals":
        if scene.total is None:
            return state
        return replace(
            state,
            place="sessions",
            scope="all",
            drilled=scene.total.sessions,
            drilled_name=scene.total.name,
        )
    return replace(state, focused=True, detail=True, scroll=0) if scene.row else state


def _back(state: ViewState, scene: Scene) -> ViewState:
    if state.overlay:
        return replace(state, overlay="", scroll=0)
    if state.focused:
        return replace(state, focused=False, zoomed=False, scroll=0)
    if state.place != "sessions":
        return replace(state, place="sessions")
    if state.filter_text:
        return replace(state, filter_text="")
    if state.drilled is not None:
        return replace(state, place="totals", scope="live+today", drilled=None, drilled_name="")
    return replace(state, detail=False) if scene.shows_detail else state


def _tab(state: ViewState, _scene: Scene, step: int) -> ViewState:
    return replace(state, tab=(state.tab + step) % len(TABS), scroll=0)


def choose_tab(state: ViewState, _scene: Scene, number: int) -> ViewState:
    """Return the state with a tab of the detail chosen."""
    return replace(state, tab=number, scroll=0)


def _zoom(state: ViewState, _scene: Scene) -> ViewState:
    return replace(state, zoomed=not state.zoomed, focused=True)


def _place(state: ViewState, _scene: Scene, place: Place) -> ViewState:
    return replace(state, place=place, focused=False, zoomed=False, scroll=0)


def _overlay(state: ViewState, _scene: Scene, overlay: Overlay) -> ViewState:
    return replace(state, overlay=overlay, scroll=0)


def _pause(state: ViewState, _scene: Scene) -> ViewState:
    return replace(state, paused=not state.paused)


def _mask(state: ViewState, _scene: Scene) -> ViewState:
    return replace(state, masked=not state.masked)


def _pick(state: ViewState, _scene: Scene) -> ViewState:
    cursor = state.cursors.get("columns", START)
    if cursor.key is None or BY_TITLE[cursor.key[1]].rank == 0:
        return state
    return replace(state, hidden=state.hidden ^ {cursor.key[1]})


def _without_cursor(state: ViewState) -> ViewState:
    return replace(state, cursors={**state.cursors, state.list_name: Cursor()})


def _next(values: Sequence[T], value: T, step: int = 1) -> T:
    return values[(values.index(value) + step) % len(values)]


ACTIONS: Mapping[str, Action] = {
    "move": _move,
    "page": _page,
    "edge": _edge,
    "group": _group,
    "range": _range,
    "sort": _sort,
    "flip": _flip,
    "scope": _scope,
    "fold": _fold,
    "open": _open,
    "back": _back,
    "tab": _tab,
    "choose_tab": choose_tab,
    "zoom": _zoom,
    "place": _place,
    "overlay": _overlay,
    "pause": _pause,
    "mask": _mask,
    "pick": _pick,
}
"""The actions that change only the state of the view. `app` has the others."""


def act(state: ViewState, scene: Scene, name: str, *arguments: Any) -> ViewState:  # noqa: ANN401
    """Return the state after an action."""
    return ACTIONS[name](state, scene, *arguments)
