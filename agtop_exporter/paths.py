"""Paths in the texts of other programs: kept only where a system could have them.

Nothing here does I/O.
"""

from urllib.parse import unquote, urlsplit

PATH_BYTES_MAX = 4096  # PATH_MAX of Linux: the system opens no longer path


def clean_path(text: str) -> str:
    """Return a path unchanged; "" for a text that cannot be the path of any file.

    Such a text holds a NUL or half of a surrogate pair, or has more than PATH_BYTES_MAX bytes.
    """
    if "\0" in text or len(text) > PATH_BYTES_MAX:
        return ""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return ""
    return text if size <= PATH_BYTES_MAX else ""


def path_of_uri(uri: str) -> str:
    """Return the path in a URI; "" where the URI is malformed or its path is none."""
    try:
        return clean_path(unquote(urlsplit(uri).path))
    except ValueError:  # an unfinished address of a host
        return ""
