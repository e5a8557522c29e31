"""A FUSE file system that never responds: `python hung_mount.py FOLDER read|ignore`.

It is mounted on the folder until this process ends. With `read`, requests are read and not
answered, so that their callers cannot be killed. With `ignore`, requests are not read. It writes
`mounted` when the file system is mounted.

Protocol: <https://docs.kernel.org/filesystems/fuse/fuse.html> and linux/fuse.h.
"""

import ctypes
import os
import signal
import struct
import sys

REQUEST_BYTES = 1 << 20
IN_HEADER = struct.Struct("<IIQQIIIHH")  # length, opcode, id, node, uid, gid, pid, and two more
OUT_HEADER = struct.Struct("<IiQ")  # length, error, id of the request
INIT_OUT = struct.Struct("<IIIIHHIIHHI7I")  # version, and what the file system can do
INIT_OPCODE = 26
VERSION = (7, 31)
NO_SET_UID, NO_DEVICES = 2, 4  # flags of a mount


def mount(device, folder):
    options = f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    libc = ctypes.CDLL(None, use_errno=True)
    flags = NO_SET_UID | NO_DEVICES
    if libc.mount(b"hung", os.fsencode(folder), b"fuse.hung", flags, options.encode()):
        sys.exit(f"cannot mount: {os.strerror(ctypes.get_errno())}")


def answer_first_request(device):
    """Answer the request of the kernel that precedes the first use."""
    request = os.read(device, REQUEST_BYTES)
    _, opcode, number, *_ = IN_HEADER.unpack_from(request)
    assert opcode == INIT_OPCODE
    answer = INIT_OUT.pack(*VERSION, 0, 0, 1, 1, 4096, 1, *(0,) * 10)
    os.write(device, OUT_HEADER.pack(OUT_HEADER.size + len(answer), 0, number) + answer)


def main(folder, mode):
    device = os.open("/dev/fuse", os.O_RDWR)
    mount(device, folder)
    answer_first_request(device)
    print("mounted", flush=True)  # noqa: T201 - to its parent
    while mode == "read":
        os.read(device, REQUEST_BYTES)
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
