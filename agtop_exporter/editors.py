"""Lists the settings folders of VS Code and of the editors that were made from it.

Extensions of these editors store their data below the settings folder. Performs no I/O.
"""

from collections.abc import Iterable
from pathlib import Path

EDITORS = ("Code", "Code - Insiders", "Code - OSS", "VSCodium", "VSCodium - Insiders")
PACKAGES = (  # settings of editors that are installed by Flatpak and Snap
    ".var/app/com.visualstudio.code/config/Code",
    ".var/app/com.visualstudio.code-oss/config/Code - OSS",
    ".var/app/com.vscodium.codium/config/VSCodium",
    ".var/app/com.vscodium.codium-insiders/config/VSCodium - Insiders",
    "snap/code/current/.config/Code",
    "snap/code/common/.config/Code",
    "snap/codium/current/.config/VSCodium",
    "snap/codium/common/.config/VSCodium",
)
SERVERS = (
    *(".vscode-server", ".vscode-server-insiders", ".vscode-server-oss", ".vscode-remote"),
    *(".vscodium-server", ".vscodium-server-insiders", ".openvscode-server"),
)
CODE_SERVER = "code-server"


def user_folders(
    home: Path,
    settings: Iterable[Path],
    data: Path,
    *,
    names: Iterable[str] = EDITORS,
    servers: Iterable[str] = SERVERS,
) -> tuple[Path, ...]:
    """Return the folders `User` of all editors. They may be missing.

    `settings` are the folders in which applications store settings, and `data` is the folder in
    which they store data. `names` are the names of the folders of editors in `settings`. `servers`
    are the names of the folders of remote editors in `home`.
    """
    editors = (
        *(folder / name for folder in settings for name in names),
        *(home / package for package in PACKAGES),
        *(home / server / "data" for server in servers),
        data / CODE_SERVER,
    )
    return tuple(editor / "User" for editor in editors)
