"""The context window comes from the agent, or else from a table of models."""

import pytest
from looking import Look
from opencode_homes import OpenCode, write_database


def context(home, used, model):
    """Return the context of a session of OpenCode, which records no window."""
    write_database(home, OpenCode().user().assistant((used, 0, 0, 0, 0), modelID=model))
    (session,) = Look(home).sessions().values()
    return session["context"]


@pytest.mark.slow
def test_a_window_from_the_table(tmp_path):
    assert context(tmp_path, 50_000, "claude-opus-4-1") == {
        "used_tokens": 50_000,
        "peak_tokens": 50_000,
        "window_tokens": 200_000,
        "used_ratio": 0.25,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("used", "model"),
    [(250_000, "claude-opus-4-1"), (0, "claude-opus-4-1"), (50_000, "nobodys-own")],
    ids=["more than it holds", "nothing yet", "no such model"],
)
def test_unknown_values_are_absent(tmp_path, used, model):
    told = context(tmp_path, used, model)
    assert (told["window_tokens"], told["used_ratio"]) == (None, None)
