"""The paths of the parts of the checkout."""

from pathlib import Path

SUPPORT = Path(__file__).parent  # the modules that tests share
ROOT = next(folder for folder in SUPPORT.parents if (folder / "pyproject.toml").exists())
TESTS = ROOT / "tests"
AGENT_FOLDERS = TESTS / "agents"  # a folder per agent: its invented home and golden files
