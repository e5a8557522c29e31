"""Removes from Python on Linux what Python on Windows does not have.

Python imports this module at its start if this folder is in PYTHONPATH. Libraries are imported
before the removal, because they use other functions on Windows.
"""

import errno
import functools
import importlib
import os
import signal
import socket
import sys
import types

import unix_only

LIBRARIES = (
    "asyncio",
    "ctypes",
    "getpass",
    "httpx",
    "multiprocessing.popen_fork",
    "multiprocessing.popen_spawn_posix",
    "multiprocessing.resource_tracker",
    "platformdirs",
    "prometheus_client",
    "psutil",
    "rich.console",
    "ssl",
    "subprocess",
    "tempfile",
    "uvicorn.config",
    "uvicorn.lifespan.off",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "uvicorn.server",
)


def msvcrt(lockf, flag):
    """Return a module that locks a byte of a file, as on Windows."""
    module = types.ModuleType("msvcrt")
    module.LK_NBLCK = 2

    def locking(descriptor, mode, count):
        assert (mode, count) == (module.LK_NBLCK, 1)
        try:
            lockf(descriptor, flag, count)
        except OSError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    module.locking = locking
    return module


def hide():
    """Import the libraries, then remove what Windows does not have."""
    for name in LIBRARIES:
        importlib.import_module(name)
    sys.modules["msvcrt"] = msvcrt(os.lockf, os.F_TLOCK)
    socket.socketpair = functools.partial(socket.socketpair, socket.AF_UNIX)  # Windows has its own
    for name in unix_only.MODULES:
        sys.modules[name] = None  # importing it raises ImportError
    for module, names in (
        (os, unix_only.OS),
        (signal, unix_only.SIGNALS),
        (socket, unix_only.SOCKET),
    ):
        for name in names:
            delattr(module, name)
    os.O_BINARY = 0
    # The only module of the program that asks for it; libraries could not go on.
    system, sys.platform = sys.platform, "win32"
    importlib.import_module("agtop_exporter.platforms")
    sys.platform = system


hide()
