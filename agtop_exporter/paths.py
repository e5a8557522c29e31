"""Validates and splits paths from the files of other programs. Performs no I/O.

These paths may come from another operating system. They may contain backslashes, a drive or the
name of a server.
"""

import re
from urllib.parse import unquote, urlsplit

PATH_BYTES_MAX = 4096  # PATH_MAX of Linux: longer paths cannot be opened
SEPARATORS = re.compile(r"[/\\]+")
DRIVE = re.compile(r"[A-Za-z]:")
DRIVE_PATH = re.compile(r"(?:^|/)([A-Za-z]:[/\\].*)", re.DOTALL)
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")  # a drive has one letter


def clean_path(text: str) -> str:
    """Return `text` unchanged, or "" if it cannot be a path.

    A path contains no NUL and no lone surrogate, and has at most PATH_BYTES_MAX bytes.
    """
    if "\0" in text or len(text) > PATH_BYTES_MAX:
        return ""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return ""
    return text if size <= PATH_BYTES_MAX else ""


def path_of_uri(uri: str) -> str:
    """Return the path of a URI, or "" if the URI or its path is invalid.

    The path of a URI with a drive, such as `file:///c%3A/src`, begins with the drive.
    """
    try:
        path = clean_path(unquote(urlsplit(uri).path))
    except ValueError:  # incomplete IPv6 address
        return ""
    return path[1:] if DRIVE_PATH.match(path) and path.startswith("/") else path


def without_prefix(text: str) -> str:
    r"""Return a path without the text before its drive. A URI is converted to its path.

    A program that resolves `C:\src` on Linux turns it into `/its/directory/C:\src`. The part before
    the drive is removed.
    """
    path = path_of_uri(text) if URI.match(text) else text.strip()
    drive = DRIVE_PATH.search(path)
    return drive[1] if drive else path


def components(text: str) -> tuple[str, ...]:
    """Return the components of a path of any operating system.

    The result has no root, drive, server or share. The components `.` and `..` are resolved without
    reading the file system. A `..` at the start is dropped. A leading `~` is a component.
    """
    path = without_prefix(text)
    parts = [part for part in SEPARATORS.split(path) if part not in ("", ".", "?")]
    if path.startswith("\\\\?\\UNC\\"):
        parts = parts[3:]
    elif path.startswith(("\\\\", "//wsl")) and not path.startswith("\\\\?\\"):
        parts = parts[2:]  # \\server\share
    if parts and DRIVE.fullmatch(parts[0]):
        parts = parts[1:]
    resolved: list[str] = []
    for part in parts:
        if part != "..":
            resolved.append(part)
        elif resolved:
            resolved.pop()
    return tuple(resolved)
