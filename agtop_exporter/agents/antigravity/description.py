"""Reads `<conversation id>.meta`, which Antigravity's server writes beside a conversation."""

from pathlib import Path

import msgspec

from agtop_exporter.reading.documents import usable_document


class Description(msgspec.Struct):
    """The decoded member of the file: the working directory of the conversation."""

    cwd: str | None = None


def folder(conversation: str) -> str:
    """Return the working directory of a conversation; "" if no file describes the conversation.

    `conversation` is the path of its database.
    """
    description = usable_document(Path(conversation).with_suffix(".meta"), Description)
    return (description.cwd if description else None) or ""
