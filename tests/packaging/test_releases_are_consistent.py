"""A release has one version, a changelog, all files, and dependencies that are locked to PyPI."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import version
from importlib.util import module_from_spec, spec_from_file_location

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from places import ROOT
from programs import find_program

from agtop_exporter import __version__

pytestmark = pytest.mark.integration

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
CATEGORIES = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
RELEASED = """# Changelog

## Unreleased

### Added

## 1.2.0 - 2026-12-01

### Fixed

- The figure is right.

## 1.1.0 - 2026-11-01

- Older.
"""


def release_notes(folder, tag, changelog):
    """Return (exit code, output, errors) of the script for a project at version 1.2.0."""
    (folder / "agtop_exporter").mkdir()
    (folder / "agtop_exporter" / "__init__.py").write_text('__version__ = "1.2.0"\n')
    (folder / "CHANGELOG.md").write_text(changelog)
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "release_notes.py", tag],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.strip()


def test_the_version_is_defined_once():
    assert "version" not in PYPROJECT["project"]
    assert version("agtop-exporter") == __version__
    for folder in ("deploy", "grafana", "systemd", ".github"):
        for path in (ROOT / folder).rglob("*"):
            text = path.read_bytes() if path.is_file() else b""
            assert not re.search(rb"agtop[-_]exporter[:@=]+v?\d+\.", text), path


def test_the_changelog_has_no_section_twice_or_out_of_order():
    titles = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert titles[0] == "Unreleased"
    assert len(set(titles)) == len(titles)
    for body in re.split(r"^## .+$", CHANGELOG, flags=re.MULTILINE)[1:]:
        found = re.findall(r"^### (.+)$", body, re.MULTILINE)
        assert found == [name for name in CATEGORIES if name in found]


@pytest.mark.slow
def test_a_release_has_the_notes_of_its_version_only(tmp_path):
    expected = "### Fixed\n\n- The figure is right.\n"
    assert release_notes(tmp_path, "v1.2.0", RELEASED) == (0, expected, "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tag", "changelog", "message"),
    [
        ("v1.3.0", RELEASED, "the tag is v1.3.0, but the version is 1.2.0"),
        ("1.2.0", RELEASED, "the tag is 1.2.0, but the version is 1.2.0"),
        (
            "v1.2.0",
            RELEASED.replace("### Added\n", "### Added\n\n- A metric.\n"),
            'CHANGELOG.md still has entries under "Unreleased"',
        ),
        (
            "v1.2.0",
            RELEASED.replace("## 1.2.0 - 2026-12-01", "## 1.2.0"),
            'CHANGELOG.md has no section "## 1.2.0 - YYYY-MM-DD"',
        ),
        (
            "v1.2.0",
            RELEASED.replace("1.2.0 - 2026", "1.20 - 2026"),
            'CHANGELOG.md has no section "## 1.2.0 - YYYY-MM-DD"',
        ),
    ],
)
def test_a_release_that_disagrees_with_its_files_is_refused(tmp_path, tag, changelog, message):
    assert release_notes(tmp_path, tag, changelog) == (1, "", message)


@pytest.mark.long
def test_no_tracked_file_is_missing_from_the_sdist(tmp_path):
    command = [find_program("git"), "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    tracked = {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}
    (built,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(built) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert tracked
    assert tracked - packed == set()


@pytest.mark.long
def test_packages_name_the_commit_that_they_were_built_from(tmp_path, monkeypatch):
    """A wheel that is built from an sdist, without git, has the commit of the sdist."""
    monkeypatch.setenv("SOURCE_REVISION", "0123abcd")
    (sdist,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    monkeypatch.delenv("SOURCE_REVISION")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    (wheel,) = WheelBuilder(str(unpacked)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("agtop_exporter/revision") == b"0123abcd\n"


def test_a_folder_that_is_no_checkout_has_no_commit(tmp_path):
    """A source that was copied into another project's checkout must not have its commit."""
    assert build_hook().commit_of(str(tmp_path)) == ""
    inside = ROOT / "agtop_exporter"
    assert build_hook().commit_of(str(inside)) == ""


def build_hook():
    """Return the module of the build hook."""
    spec = spec_from_file_location("revision_hook", ROOT / ".ci" / "revision.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_lock_names_no_other_registry_than_pypi():
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    for package in lock["package"]:
        if package["name"] == "agtop-exporter":
            assert package["source"] == {"editable": "."}
            continue
        assert package["source"] == {"registry": "https://pypi.org/simple"}, package["name"]
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files
        for file in files:
            assert file["url"].startswith("https://files.pythonhosted.org/packages/"), file
            assert file["hash"].startswith("sha256:")


def test_ci_tests_every_python_version_that_the_classifiers_name():
    prefix = "Programming Language :: Python :: 3."
    named = [
        line.removeprefix("Programming Language :: Python :: ")
        for line in PYPROJECT["project"]["classifiers"]
        if line.startswith(prefix)
    ]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    assert workflow["jobs"]["linux"]["strategy"]["matrix"]["python"] == named
    assert PYPROJECT["project"]["requires-python"] == f">={named[0]}"


def test_a_release_publishes_nothing_that_ci_did_not_test():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8"))
    jobs = workflow["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    writing = [name for name, job in jobs.items() if "write" in job.get("permissions", {}).values()]
    assert writing == ["pypi", "image", "github"]
    assert all({"test", "build"} <= needed(jobs, name) for name in writing)


def needed(jobs, name):
    """Return the names of the jobs that must succeed before this one starts."""
    given = jobs[name].get("needs", [])
    return set(given).union(*(needed(jobs, before) for before in given))
