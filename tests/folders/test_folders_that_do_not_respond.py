"""A directory on a hung mount costs one time limit, and other directories are still read."""

import os
import threading
import time
from pathlib import Path

import pytest
from dead_folder import ROOT, SOON, DeadFolder, Table

from agtop_exporter.folders import SILENT_MAX, Folders, Trouble
from agtop_exporter.folders.helper import PROJECT
from agtop_exporter.folders.mounts import Mount
from agtop_exporter.folders.process import OtherProcess

PATIENCE_SECONDS = 20  # a bound for failures, not a wait


@pytest.fixture
def folders(dead):
    made = dead.folders()
    yield made
    made.close()


@pytest.fixture
def patient(dead):
    """Return Folders for directories that respond, however loaded the machine is."""
    made = dead.folders(limits=dict.fromkeys(SOON, PATIENCE_SECONDS))
    yield made
    made.close()


def repository(folder, name):
    (folder / ".git").mkdir(parents=True)
    (folder / ".git/config").write_text(f'[remote "origin"]\n\turl = x:ada/{name}.git\n')
    return folder


def silence(path):
    return Trouble(str(path), "does not respond")


def find_until(folders, path, condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition(found := folders.find(str(path))):
        assert time.monotonic() < deadline, found
    return found


@pytest.mark.slow
def test_a_folder_has_its_real_path_and_its_project(tmp_path, patient):
    root = repository(tmp_path / "copy", "engine")
    (tmp_path / "link").symlink_to(root)
    (root / "src").mkdir()
    assert patient.find(str(tmp_path / "link/src")) == (str(root / "src"), "engine", None)
    assert patient.find("/") == ("/", "", None)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["", "relative/engine", "C:\\ada", "/ada/\ud800", "/ada/\0", "/x" * 9000]
)
def test_a_path_that_is_none_stops_nothing(tmp_path, patient, path):
    assert patient.find(path).trouble is None
    assert patient.find(str(repository(tmp_path / "copy", "engine"))).project == "engine"


@pytest.mark.long
def test_many_folders_on_a_dead_mount_cost_one_limit(tmp_path, dead, folders):
    told = []
    folders.on_trouble = told.append
    alive = repository(tmp_path / "alive", "engine")
    began = time.monotonic()
    for number in range(500):
        found = folders.find(str(dead.path / f"{number}"))
        assert found == (str(dead.path / f"{number}"), f"{number}", silence(dead.path))
    assert time.monotonic() - began < PATIENCE_SECONDS  # 500 limits are 250 seconds
    assert set(told) == {silence(dead.path)}
    assert folders.find(str(alive)).project == "engine"


@pytest.mark.long
def test_those_that_are_expected_cost_one_limit_too(tmp_path, dead, folders):
    alive = [str(repository(tmp_path / f"alive{number}", f"e{number}")) for number in range(3)]
    expected = [alive[0], *(str(dead.path / f"{number}") for number in range(50)), *alive[1:]]
    folders.expect(expected)
    began = time.monotonic()
    found = [folders.find(cwd) for cwd in expected]
    assert time.monotonic() - began < PATIENCE_SECONDS
    assert [folder.project for folder in found] == [
        *("e0", *(f"{number}" for number in range(50)), "e1", "e2")
    ]
    assert [folder.trouble for folder in found] == [None, *[silence(dead.path)] * 50, None, None]


@pytest.mark.long
def test_expected_folders_have_the_answers_of_any_other(tmp_path, patient):
    cwds = [str(repository(tmp_path / f"r{number}", f"e{number}")) for number in range(300)]
    patient.expect(cwds)
    assert patient.find(cwds[7]).project == "e7"
    patient.rest()  # some that were expected are never asked for
    patient.expect(reversed(cwds))
    assert [patient.find(cwd).project for cwd in cwds] == [f"e{n}" for n in range(300)]


@pytest.mark.long
@pytest.mark.parametrize("way", ["symlink", "worktree", "git link"])
def test_no_link_to_it_is_followed(tmp_path, dead, folders, way):
    """The message names the mount, not the folder with the link."""
    cwd = tmp_path / "engine"
    if way == "symlink":
        cwd.symlink_to(dead.path / "engine")
    else:
        cwd.mkdir()
        if way == "worktree":
            (cwd / ".git").write_text(f"gitdir: {dead.path}/main/.git/worktrees/side\n")
        else:
            (cwd / ".git").symlink_to(dead.path / "engine.git")
    assert folders.find(str(cwd)) == (str(cwd), "engine", silence(dead.path))
    sibling = repository(tmp_path / "sibling", "loom")
    assert folders.find(str(sibling)).project == "loom"


@pytest.mark.long
def test_it_is_looked_at_again_when_it_responds(dead, folders):
    cwd = repository(dead.path / "copy", "engine")
    assert folders.find(str(cwd)).trouble == silence(dead.path)
    dead.revive()
    found = find_until(folders, cwd, lambda folder: folder.trouble is None)
    assert found == (str(cwd), "engine", None)


@pytest.mark.long
def test_it_is_looked_at_again_when_it_was_unmounted(dead, folders):
    cwd = str(dead.path / "copy")
    assert folders.find(cwd).trouble == silence(dead.path)
    dead.table.now = (ROOT, Mount(b"3", str(dead.path), "nfs4"))
    began = time.monotonic()
    assert folders.find(cwd).trouble == silence(dead.path)  # asked again, and again in vain
    assert time.monotonic() - began >= 1


@pytest.mark.long
def test_a_slow_local_disk_hides_one_folder_only(tmp_path):
    slow = DeadFolder(tmp_path / "slow", kind="ext4")
    folders = slow.folders()
    cwd = slow.path / "engine"
    assert folders.find(str(cwd)).trouble == silence(cwd)
    assert folders.find(str(cwd / "src")).trouble == silence(cwd)
    slow.revive()
    assert folders.find(str(slow.path / "loom")) == (str(slow.path / "loom"), "loom", None)
    folders.close()


@pytest.mark.long
def test_a_busy_local_disk_has_more_time(tmp_path):
    """Otherwise a session would change its project on a busy machine."""
    slow = DeadFolder(tmp_path / "slow", kind="ext4")
    folders = slow.folders(limits={"project": 0.1, "probe": 0.1, "local": PATIENCE_SECONDS})
    cwd = repository(slow.path / "copy", "engine")
    opening = threading.Timer(1, slow.revive)
    opening.start()
    assert folders.find(str(cwd)) == (str(cwd), "engine", None)
    opening.join()
    folders.close()


@pytest.mark.long
def test_places_that_do_not_respond_have_few_processes(tmp_path):
    slow = DeadFolder(tmp_path / "slow", kind="ext4")
    folders = slow.folders(limits={"project": 0.1, "probe": 0.1, "local": 0.1})
    found = [folders.find(str(slow.path / f"{number}")) for number in range(3 * SILENT_MAX)]
    assert [one.project for one in found] == [str(number) for number in range(3 * SILENT_MAX)]
    places = {one.trouble.place for one in found}
    assert len(places) == SILENT_MAX + 1
    assert "other folders" in places
    slow.revive()
    folders.close()


@pytest.mark.long
def test_another_exporter_sends_no_second_process_there(dead, folders):
    assert folders.find(str(dead.path / "engine")).trouble == silence(dead.path)
    other = dead.folders(limits=SOON | {PROJECT: SOON[PROJECT] / 4})  # the child may start late
    assert other.find(str(dead.path / "loom")).trouble == silence(dead.path)
    assert isinstance(other._helper._late[str(dead.path)].child, OtherProcess)  # noqa: SLF001
    folders.close()  # the first ends, and so does its child
    cwd = dead.path / "loom"
    dead.revive()
    assert find_until(other, cwd, lambda folder: folder.trouble is None).project == "loom"
    other.close()


@pytest.mark.slow
def test_a_killed_child_is_replaced(tmp_path, patient):
    cwd = repository(tmp_path / "copy", "engine")
    assert patient.find(str(tmp_path)).trouble is None
    os.kill(patient._helper._child._pid, 9)  # noqa: SLF001
    assert patient.find(str(cwd)).project == "engine"


def test_without_a_child_the_path_names_the_project(tmp_path):
    folders = Folders({}, command=("/nowhere/python",))
    assert folders.find(str(tmp_path / "engine")) == (
        str(tmp_path / "engine"),
        "engine",
        Trouble(
            "project folders",
            "no child process to look at them: "
            "[Errno 2] No such file or directory: '/nowhere/python'",
        ),
    )


def test_a_child_that_does_not_start_is_no_child():
    folders = Folders({}, command=("/bin/true",))
    assert folders.find("/ada/engine").project == "engine"
    assert folders.find("/ada/engine").trouble.place == "project folders"


@pytest.mark.long
def test_no_descriptor_stays_open(tmp_path, dead):
    before = len(list(Path("/dev/fd").iterdir()))
    folders = dead.folders()
    folders.find(str(tmp_path))
    folders.find(str(dead.path / "engine"))
    folders.close()
    del folders
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.long
def test_file_systems_are_checked_for_a_response(tmp_path, dead, folders):
    told = []
    folders.on_trouble = told.append
    home = tmp_path / "home"
    home.mkdir()
    (home / ".codex").symlink_to(dead.path / "codex")
    assert folders.trouble_with(str(home)) is None
    assert folders.trouble_with(str(home / ".codex/sessions")) == silence(dead.path)
    assert folders.trouble_with(str(dead.path / "other")) == silence(dead.path)
    assert folders.trouble_with(str(tmp_path)) is None
    assert folders.trouble_with(str(tmp_path), below=True) == silence(dead.path)
    assert set(told) == {silence(dead.path)}
    dead.revive()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while folders.trouble_with(str(home / ".codex/sessions")):
        assert time.monotonic() < deadline
        folders.rest()


@pytest.mark.long
def test_a_file_system_is_checked_again_after_a_call_hangs(dead, folders):
    dead.revive()
    assert folders.trouble_with(str(dead.path)) is None
    dead.shut()
    assert folders.trouble_with(str(dead.path)) is None  # as of a moment ago
    folders.check_again()
    assert folders.trouble_with(str(dead.path)) == silence(dead.path)


def test_a_local_file_system_is_not_checked(tmp_path):
    folders = Folders({}, command=("/nowhere/python",), table=Table())
    (tmp_path / "link").symlink_to(tmp_path)
    assert folders.trouble_with(str(tmp_path / "link/sessions"), below=True) is None
