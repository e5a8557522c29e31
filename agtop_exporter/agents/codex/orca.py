"""The home directories of Codex that the application Orca makes.

Orca runs Codex with `<data>/codex-runtime-home/home`, and newer versions run Codex with
`<data>/codex-accounts/<account>/home` for each further account. `<data>` is the data directory of
Orca. Sources (GitHub repository, and issue or pull request number): stablyai/orca 9501 and 12480,
handlecusion/tokcat 36.
"""

from pathlib import Path

from agtop_exporter.labels import account_label
from agtop_exporter.reading.profiles import named_profiles

DATA_FOLDERS = (".config/orca", "Library/Application Support/orca", "AppData/Roaming/orca")
RUNTIME, ACCOUNTS, HOME = "codex-runtime-home", "codex-accounts", "home"


def homes(home: Path) -> tuple[Path, ...]:
    """Return the home directories of Codex that Orca may have made. Files are not accessed."""
    folders = [home / name for name in DATA_FOLDERS]
    accounts = [one for folder in folders for one in named_profiles(folder / ACCOUNTS)]
    return tuple(one / HOME for one in (*(folder / RUNTIME for folder in folders), *accounts))


def account(folder: Path) -> str | None:
    """Return the name of the account of a directory; None if Orca did not make the directory.

    The account of the shared directory is "", as that of the default directory of Codex.
    """
    if folder.name != HOME:
        return None
    if folder.parent.name == RUNTIME:
        return ""
    return account_label(folder.parent.name) if folder.parent.parent.name == ACCOUNTS else None
