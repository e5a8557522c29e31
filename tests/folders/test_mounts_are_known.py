"""The kernel's table of mounts is parsed, and paths are resolved as the system does it."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agtop_exporter.folders.mounts import Mount, MountTable, is_below, mount_of, parse
from agtop_exporter.folders.walker import Walker

MOUNTINFO = rb"""
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
23 22 0:21 / /proc rw - proc proc rw
36 22 98:0 /mnt1 /home/ada/a\040disk\011\134x rw,noatime master:1 shared:2 - nfs4 server:/ada rw
40 22 0:44 / /home/ada/mnt rw - fuse.sshfs ada@server: rw,user_id=1000
41 40 0:45 / /home/ada/mnt rw - tmpfs none rw
no mount
"""


def test_the_kernels_lines():
    assert parse(MOUNTINFO) == (
        Mount(b"22", "/", "ext4"),
        Mount(b"23", "/proc", "proc"),
        Mount(b"36", "/home/ada/a disk\t\\x", "nfs4"),
        Mount(b"40", "/home/ada/mnt", "fuse.sshfs"),
        Mount(b"41", "/home/ada/mnt", "tmpfs"),
    )


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("/", b"22"),
        ("/home/ada", b"22"),
        ("/home/ada/mnt2", b"22"),
        ("/home/ada/mnt/x", b"41"),  # which covers the other
        ("/home/ada/a disk\t\\x", b"36"),
        ("relative", None),
    ],
)
def test_a_path_is_on_the_mount_that_is_nearest(path, number):
    mount = mount_of(parse(MOUNTINFO), path)
    assert (mount.id if mount else None) == number


def test_only_known_file_systems_are_local():
    assert [mount.is_local for mount in parse(MOUNTINFO)] == [True, False, False, False, True]


def test_this_machine_has_a_root(tmp_path):
    table = MountTable()
    mounts = table.mounts()
    assert mount_of(mounts, "/") is not None
    assert table.mounts() is mounts or table.mounts() != mounts
    assert MountTable(str(tmp_path / "missing")).mounts() == ()


def test_a_folder_is_below_itself_and_no_name_that_begins_alike():
    assert is_below("/a/b", "/a/b")
    assert is_below("/a/b/c", "/a/b")
    assert is_below("/a", "/")
    assert not is_below("/a/bc", "/a/b")
    assert not is_below("/a", "/a/b")


NAMES = st.sampled_from(["a", "b", "c", "..", ".", "", "a/b", "../c"])
LINKS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "a/b", "b/c", "a/a"]), st.lists(NAMES, max_size=4)),
    max_size=5,
)


@pytest.mark.slow
@given(LINKS, st.lists(NAMES, max_size=6))
def test_a_path_resolves_as_the_system_resolves_it(links, names):
    with tempfile.TemporaryDirectory() as folder:
        top = Path(os.path.realpath(folder))
        for folder_name in ("a", "b/c"):
            (top / folder_name).mkdir(parents=True, exist_ok=True)
        for place, target in links:
            link = top / place
            if link.parent.is_dir() and not os.path.lexists(link):
                link.symlink_to("/".join(target) or ".")
        path = f"{top}/{'/'.join(names)}"
        entered = []
        real = Walker(entered.append).real(path)
        assert len(set(entered)) == len(entered)
        try:
            expected = os.path.realpath(path, strict=True)
        except OSError:  # it does not exist, or is a loop: any answer will do, if there is one
            assert real.startswith("/")
        else:
            assert real == expected
            assert {str(top), *(str(one) for one in top.parents)} - {"/"} <= set(entered)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["loop", "/loop/../loop", "loop/" * 700 + "loop"])
def test_a_loop_of_links_ends(tmp_path, target):
    (tmp_path / "loop").symlink_to(target.replace("/loop", f"{tmp_path}/loop", 1))
    assert Walker(lambda _place: None).real(str(tmp_path / "loop")).startswith("/")


def test_a_forbidden_place_ends_the_walk(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "dead/engine")

    def enter(place):
        if is_below(place, str(tmp_path / "dead")):
            raise LookupError(place)

    with pytest.raises(LookupError, match=str(tmp_path / "dead")):
        Walker(enter).real(str(tmp_path / "link/src"))
