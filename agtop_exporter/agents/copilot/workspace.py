"""Where a session works: the small files beside a log of the tool, and beside an editor's chats."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

READ_BYTES = 64 * 1024


class Folder(msgspec.Struct):
    """`workspace.json`: the URI of what a window has open."""

    folder: str | None = None
    workspace: str | None = None


def editor_folder(path: str) -> str:
    """Return the folder that the window of a chat had open; empty where it had none."""
    try:
        with Path(path).parent.with_name("workspace.json").open("rb") as file:
            opened = msgspec.json.decode(file.read(READ_BYTES), type=Folder)
        return unquote(urlsplit(opened.folder or opened.workspace or "").path)
    except (OSError, msgspec.MsgspecError, ValueError):
        return ""


def tool_workspace(path: str) -> dict[str, str]:
    """Return the scalars of the `workspace.yaml` beside a log; nothing where there is none."""
    try:
        with Path(path).with_name("workspace.yaml").open("rb") as file:
            text = file.read(READ_BYTES).decode("utf-8", "replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.splitlines() if line[:1].isalpha())
    return {key: value.strip().strip("\"'") for key, _, value in pairs}
