"""With `m`, no title, path, project or branch is on any screen."""

import msgspec
import pytest
from snapshots import make_snapshot
from top_views import HOURLY, LIMITS, NOW, SIZES, frame, make_view, screen_of, sessions

PRIVATE = "confidential"


def hidden():
    """Return a frame whose private texts all contain a word."""
    private = {
        "title": PRIVATE,
        "project": PRIVATE,
        "cwd": f"/home/{PRIVATE}",
        "git_branch": PRIVATE,
    }
    shown = [msgspec.structs.replace(one, **private) for one in sessions()]
    usage = tuple(msgspec.structs.replace(one, project=PRIVATE) for one in HOURLY)
    limits = [msgspec.structs.replace(one, account=PRIVATE) for one in LIMITS]
    return frame(snapshot=make_snapshot(*shown, rate_limits=limits), usage=usage)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_no_screen_shows_them(size):
    view = make_view(hidden(), size=size)
    assert PRIVATE in screen_of(view)
    view.notices, view.failure = (f"cannot read file: path=/{PRIVATE}",), f"/{PRIVATE}: no space"
    view.act(NOW, "mask")
    steps = (
        ("fold",),
        ("open",),
        *(("choose_tab", number) for number in range(6)),
        ("back",),
        *(("overlay", name) for name in ("notices", "help", "columns")),
        ("back",),
        ("place", "limits"),
        ("place", "totals"),
        ("range", 1),
        ("group",),
        ("group",),
        ("open",),
    )
    for name, *arguments in steps:
        view.act(NOW, name, *arguments)
        assert PRIVATE not in screen_of(view)
    assert "project •••••, 7 d" in screen_of(view)
    view.filter(NOW, PRIVATE)
    assert "/•••••" in screen_of(view)
    assert PRIVATE not in screen_of(view)
    view.act(NOW, "mask")
    assert f"project {PRIVATE}, 7 d" in screen_of(view)
