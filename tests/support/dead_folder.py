"""A directory in which the child process for directories blocks until the test releases it."""

import os
import sys
from pathlib import Path

import agtop_exporter
from agtop_exporter.folders import Folders
from agtop_exporter.folders.mounts import Mount

SOON = {"project": 1.0, "probe": 1.0, "local": 1.0}  # seconds, by kind of question
ROOT = Mount(b"1", "/", "ext4")
CHILD = """
import os, sys
packages, dead, gate = sys.argv[1:]
sys.path.insert(0, packages)
readlink, statvfs = os.readlink, os.statvfs

def wait():
    if os.path.exists(gate):
        open(gate).close()  # blocks until it is opened for writing

def blocking_readlink(path):
    if path.startswith(dead + "/"):
        wait()
    return readlink(path)

def blocking_statvfs(path):
    if (path + "/").startswith(dead + "/"):
        wait()
    return statvfs(path)

os.readlink, os.statvfs = blocking_readlink, blocking_statvfs
from agtop_exporter.folders.child import main
main()
"""


class Table:
    """A table of mounts that a test can change."""

    def __init__(self, *mounts):
        self.now = (ROOT, *mounts)

    def mounts(self):
        """Return them, as MountTable does."""
        return self.now


class DeadFolder:
    """The directory. By default, another file system is mounted on it."""

    def __init__(self, path, *, kind="nfs4"):
        path.mkdir(parents=True)
        self.path = path
        self.gate = path.with_name(f"gate of {path.name}")
        self.shut()
        self.table = Table(Mount(b"2", str(path), kind))

    def folders(self, **more):
        """Return a real Folders whose child process blocks in this directory."""
        packages = Path(agtop_exporter.__file__).parent.parent
        command = (sys.executable, "-I", "-S", "-c", CHILD, packages, self.path, self.gate)
        usual = {"limits": SOON, "command": tuple(map(str, command)), "table": self.table}
        return Folders({}, **usual | more)

    def shut(self):
        """Block every call."""
        os.mkfifo(self.gate)

    def revive(self):
        """Let every call return."""
        opened = self.gate.rename(self.gate.with_name("open gate"))
        opened.open("r+b", buffering=0).close()
