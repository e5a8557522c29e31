"""Writes a proc file system of Linux 6.x with the files that the program reads."""

import os

if hasattr(os, "sysconf"):  # Windows cannot show such a file system
    TICK = os.sysconf("SC_CLK_TCK")
    PAGE = os.sysconf("SC_PAGE_SIZE")
else:
    TICK = PAGE = 0
IO = "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 8192\nwrite_bytes: 4096\n"
IO += "cancelled_write_bytes: 0\n"
MACHINE = "4026531836"  # the process namespace of a machine itself


def make_proc(folder, booted, *, pid_ns=MACHINE):
    """Write a /proc with the first process only."""
    root = folder / "proc"
    (root / "sys/kernel/random").mkdir(parents=True)
    (root / "sys/kernel/random/boot_id").write_text("0d1e\n")
    (root / "stat").write_text(f"cpu  1 2 3\nintr 5 0\nbtime {booted}\nprocesses 9\n")
    (root / "self").symlink_to("1")  # as a mounted /proc may show it: of no use
    add_process(root, 1, "systemd", start=0, pid_ns=pid_ns)
    return root


def add_process(  # noqa: PLR0913 the files
    root,
    pid,
    comm,
    *,
    argv=(),
    start=100,
    parent=1,
    io="",
    pid_ns=MACHINE,
    fs=None,
    uid=None,
    inner_pid=0,
):
    """Add a process that started some seconds after the boot, by default of this user."""
    folder = root / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "fdinfo").mkdir()
    (folder / "ns").mkdir()
    fields = ["S", parent, 1, 1, 0, -1, 4194304, 9, 9, 0, 0]
    fields += [150, 25, 30, 5, 20, 0, 3, 0, start * TICK, 1, 1, "18446744073709551615"]
    (folder / "stat").write_text(f"{pid} ({comm}) " + " ".join(map(str, [*fields, *[0] * 28])))
    ids = "\t".join([str(os.getuid() if uid is None else uid)] * 4)
    pids = f"{pid}\t{inner_pid}" if inner_pid else str(pid)
    (folder / "status").write_text(f"Name:\t{comm}\nUid:\t{ids}\nGid:\t{ids}\nNSpid:\t{pids}\n")
    (folder / "statm").write_text(f"{(1 << 30) // PAGE} 256 9 9 0 9 0\n")
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in argv))
    if io:
        (folder / "io").write_text(io)
    (folder / "ns/pid").symlink_to(f"pid:[{pid_ns}]")
    (folder / "ns/mnt").symlink_to(f"mnt:[{4026531841 + bool(fs)}]")
    (folder / "root").symlink_to(fs or root.parent)
    (folder / "cwd").symlink_to("/home/user/proj")
    (folder / "exe").symlink_to(f"/usr/bin/{argv[0] if argv else comm}")
    return folder


def open_file(folder, number, path, *, flags=os.O_RDWR):
    """Add an open file to a process, of which `add_process` returned the folder."""
    (folder / f"fd/{number}").symlink_to(path)
    (folder / f"fdinfo/{number}").write_text(f"pos:\t0\nflags:\t0{flags:o}\nmnt_id:\t24\n")
