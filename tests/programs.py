"""Programs of others that tests run: missing ones skip a test, except in CI."""

import os
import shutil

import pytest


def find_program(name):
    """Return the path of a program; skip the test without it, or fail where CI=true."""
    path = shutil.which(name)
    if path is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing, and CI must have it")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path
