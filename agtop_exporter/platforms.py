"""Provides what differs between operating systems. No other module checks the system.

Decisions depend on the functions that Python provides, not on the name of the system, so that tests
can remove single functions. Functions that only improve speed or privacy do nothing on systems that
do not support them.
"""

import contextlib
import errno
import getpass
import os
import signal
import socket
import stat
import sys
import zlib
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from agtop_exporter.existence import exists, is_directory


def _signals(*names: str) -> tuple[signal.Signals, ...]:
    """Return the named signals, without those that this system does not have."""
    return tuple(signal.Signals[name] for name in names if hasattr(signal, name))


LINUX = sys.platform == "linux"
"""Whether the system has the `/proc` file system of Linux."""

SYSTEMD = LINUX
"""Whether the system may run systemd."""

CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"
"""Whether a process can be forked. Libraries of macOS fail in a forked process."""

STOP_SIGNALS = _signals("SIGTERM", "SIGINT", "SIGBREAK")
"""Signals that ask a program to stop; SIGBREAK is Ctrl+Break in a console of Windows."""

END_SIGNALS = (*STOP_SIGNALS, *_signals("SIGHUP", "SIGQUIT"))
"""Signals that end a program which does not handle them, and that a user or a terminal sends."""

SUSPEND_SIGNALS = _signals("SIGTSTP")
"""Signals that ask a program to stop until it is continued; Windows has none."""

RELOAD_SIGNALS = _signals("SIGHUP")
"""Signals that ask a daemon to read its settings again; Windows has none."""

IGNORED_SIGNALS = _signals("SIGUSR1", "SIGUSR2")
"""Signals that have no meaning here, and that would end a program."""

_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # opening a FIFO does not wait for its writer
_BINARY = getattr(os, "O_BINARY", 0)  # Windows translates line ends without it


def _module(name: str) -> Any:  # noqa: ANN401 - type checkers see the modules of one system only
    """Return a module that exists on some systems only; None if it does not exist."""
    try:
        return import_module(name)
    except ImportError:
        return None


_fcntl, _msvcrt, _pwd = _module("fcntl"), _module("msvcrt"), _module("pwd")
_resource = _module("resource")
_termios, _tty = _module("termios"), _module("tty")


# --- files ----------------------------------------------------------------------------------


def open_for_reading(path: str | os.PathLike[str]) -> int:
    """Open a file for reading without waiting, and return its descriptor. Raises OSError."""
    return os.open(path, os.O_RDONLY | _NONBLOCK | _CLOEXEC | _BINARY)


def open_private(path: str | os.PathLike[str]) -> int:
    """Open a file for reading and writing, and return its descriptor. Raises OSError.

    A new file is readable by its owner only. On Windows, the directory determines who can read it.
    """
    return os.open(path, os.O_RDWR | os.O_CREAT | _CLOEXEC | _BINARY, 0o600)


def make_directory(directory: Path, mode: int = 0o700) -> None:
    """Create a directory with the permissions `mode`, and its missing parents. Raises OSError.

    The home directory of the user is never created. If it does not exist, it is not mounted, or
    HOME is wrong.
    """
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - the method of Path raises RuntimeError if the home is unknown
    if directory.is_relative_to(home) and not exists(home):
        raise FileNotFoundError(errno.ENOENT, "the home directory does not exist", str(home))
    if directory.is_relative_to(home) and not is_directory(home):
        raise NotADirectoryError(errno.ENOTDIR, "the home directory is a file", str(home))
    directory.mkdir(mode=mode, parents=True, exist_ok=True)


def set_mode(descriptor: int, mode: int) -> None:
    """Set the permissions of an open file. Raises OSError."""
    if hasattr(os, "fchmod"):
        os.fchmod(descriptor, mode)


def read_at(descriptor: int, count: int, offset: int) -> bytes:
    """Read at most `count` bytes from `offset` without moving the file position. Raises OSError."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    position = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, offset, os.SEEK_SET)
    try:
        return os.read(descriptor, count)
    finally:
        os.lseek(descriptor, position, os.SEEK_SET)


def read_into(descriptor: int, buffer: memoryview) -> int:
    """Read into `buffer`. Return the number of bytes read, 0 at the end. Raises OSError."""
    if hasattr(os, "readv"):
        return os.readv(descriptor, [buffer])
    data = os.read(descriptor, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def lock(descriptor: int) -> None:
    """Lock a file until it is closed. Raises BlockingIOError if another process holds the lock.

    Raises OSError if the file cannot be locked.
    """
    if _fcntl:
        _fcntl.flock(descriptor, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        return
    try:
        _msvcrt.locking(descriptor, _msvcrt.LK_NBLCK, 1)
    except PermissionError as error:  # Windows also raises it for a locked file
        raise BlockingIOError(errno.EAGAIN, "is locked") from error


# --- users ----------------------------------------------------------------------------------


def user_id() -> int:
    """Return the id of the user of this process; on Windows, a checksum of the user's name."""
    return os.getuid() if hasattr(os, "getuid") else zlib.crc32(_login_name().encode())


def user_name(user: int) -> str:
    """Return the name of this process's user; the id as text if the user has no name.

    `user` is the id of this process's user.
    """
    if _pwd is None:
        return _login_name() or str(user)
    try:
        return str(_pwd.getpwuid(user).pw_name)
    except KeyError:
        return str(user)


def _login_name() -> str:
    """Return the login name of the user; "" if unknown."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # the type depends on the version of Python
        return ""


def owners(folders: Iterable[Path]) -> frozenset[int] | None:
    """Return the ids of the users who own these folders. Missing folders are skipped.

    The result is None on Windows, where user ids are not numbers.
    """
    if not hasattr(os, "getuid"):
        return None
    found: set[int] = set()
    for folder in folders:
        with contextlib.suppress(OSError, ValueError):
            status = folder.stat()
            if stat.S_ISDIR(status.st_mode):
                found.add(status.st_uid)
    return frozenset(found)


# --- processes ------------------------------------------------------------------------------


def cpu_count() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def raise_descriptor_limit(wanted: int) -> int:
    """Allow this process to open `wanted` files, or as many as its user may open.

    Return how many files it may open; `wanted` on systems that have no such limit.
    """
    if _resource is None:
        return wanted
    soft, hard = _resource.getrlimit(_resource.RLIMIT_NOFILE)
    unlimited = _resource.RLIM_INFINITY
    if soft != unlimited and soft < wanted:
        soft = wanted if hard == unlimited else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):  # the kernel may have a lower maximum
            _resource.setrlimit(_resource.RLIMIT_NOFILE, (soft, hard))
        soft = _resource.getrlimit(_resource.RLIMIT_NOFILE)[0]
    return wanted if soft == unlimited else int(soft)


def prepare_children() -> None:
    """Start the process that multiprocessing needs for child processes.

    It cannot be started later if a library has replaced standard error by an object without a file.
    """
    if hasattr(os, "fork"):
        import_module("multiprocessing.resource_tracker").ensure_running()


def lower_priority(nice: int) -> None:
    """Lower the scheduling priority of this process by `nice` steps, as nice(2) does."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):  # a service manager may forbid it
            os.nice(nice)


def enlarge_pipe(descriptor: int, size_bytes: int) -> None:
    """Set the capacity of a pipe. Only Linux supports this."""
    if hasattr(_fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # a user's limit for pipes may be reached
            _fcntl.fcntl(descriptor, _fcntl.F_SETPIPE_SZ, size_bytes)


def release_freed_memory() -> None:
    """Return freed memory to the system. Only the C library glibc supports this.

    glibc keeps freed memory below a block that is in use, so the gaps of a long-running process
    grow by some megabytes a week.
    """
    import ctypes  # noqa: PLC0415 - only the daemon needs it

    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def suspend() -> None:
    """Suspend this process until another process, such as the shell, continues it."""
    os.kill(os.getpid(), signal.SIGSTOP)


# --- terminals ------------------------------------------------------------------------------


def terminal_modes(descriptor: int) -> Any:  # noqa: ANN401 - as termios has it
    """Return the modes of a terminal for `restore_modes`.

    The result is None if the descriptor is not a terminal, or if the system has no terminal modes.
    """
    return _termios.tcgetattr(descriptor) if _termios and os.isatty(descriptor) else None


def read_keys_at_once(descriptor: int) -> None:
    """Let a terminal pass each key to the program at once, without printing the key."""
    _tty.setcbreak(descriptor)


def restore_modes(descriptor: int, modes: Any) -> None:  # noqa: ANN401 - as termios has it
    """Set the modes of a terminal, and drop the keys that no program has read."""
    with contextlib.suppress(_termios.error):  # the terminal may be gone
        _termios.tcsetattr(descriptor, _termios.TCSAFLUSH, modes)


# --- sockets --------------------------------------------------------------------------------


def send_datagram(message: bytes, address: str) -> None:
    """Send a message to a Unix domain socket without waiting.

    Raises OSError if the message cannot be sent, or if the system has no Unix domain sockets.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise OSError(errno.EAFNOSUPPORT, "no Unix domain sockets")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)  # noqa: FBT003 - its only argument
        sender.sendto(message, address)
