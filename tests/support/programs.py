"""Finds programs that a user may lack. The test is then skipped, but fails in CI."""

import os
import shutil

import pytest

PACKAGES = {
    "node": "nodejs",
    "promtool": "prometheus",
    "setsid": "util-linux",
    "systemd-analyze": "systemd",
}


def find_program(name):
    """Return the path of a program. Without it, skip the test, or fail it if CI=true."""
    path = shutil.which(name)
    if path is None:
        package = PACKAGES.get(name, name)
        reason = f"{name} is not installed (Debian: apt-get install {package})"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return path
