"""Validates paths from files of other programs. It does no I/O."""

from urllib.parse import unquote, urlsplit

PATH_BYTES_MAX = 4096  # PATH_MAX of Linux: longer paths cannot be opened


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
    """Return the path of a URI, or "" if the URI or its path is invalid."""
    try:
        return clean_path(unquote(urlsplit(uri).path))
    except ValueError:  # incomplete IPv6 address
        return ""
