"""Fixtures for tests of OTLP pushes."""

import pytest


@pytest.fixture
def set_variables(monkeypatch):
    """Return a function that sets variables and returns the environment."""
    variables = {}

    def set_them(**more):
        for name, value in more.items():
            monkeypatch.setenv(name, value)
            variables[name] = value
        return variables

    return set_them
