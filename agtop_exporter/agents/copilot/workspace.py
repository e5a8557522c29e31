"""Reads facts about a session, such as its working directory, from its workspace file."""

import msgspec

from agtop_exporter.paths import path_of_uri
from agtop_exporter.reading.files import read_head

READ_BYTES = 64 * 1024
WANTED = ("branch:", "cwd:", "name:", "user_named:")


class Folder(msgspec.Struct):
    """The content of `workspace.json`: the URI of the open folder or workspace."""

    folder: str | None = None
    workspace: str | None = None


def editor_folder(path: str) -> str:
    """Return the folder that was open in the window of the chat at `path`; "" if there was none."""
    try:
        text = read_head(f"{path.rsplit('/', 2)[0]}/workspace.json", READ_BYTES)
        opened = msgspec.json.decode(text, type=Folder)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return path_of_uri(opened.folder or opened.workspace or "")


def tool_workspace(path: str) -> dict[str, str]:
    """Return the members of the `workspace.yaml` beside the log at `path`; {} if there is no file.

    Only the members in WANTED are returned.
    """
    try:
        text = read_head(f"{path.rpartition('/')[0]}/workspace.yaml", READ_BYTES)
    except OSError:
        return {}
    lines = text.decode("utf-8", "replace").splitlines()
    pairs = (line.partition(":") for line in lines if line.startswith(WANTED))
    return {key: value.strip().strip("\"'") for key, _, value in pairs}
