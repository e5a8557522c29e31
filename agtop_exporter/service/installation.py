"""Writes, enables and removes the systemd user unit, without running commands."""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path

from agtop_exporter import platforms
from agtop_exporter.existence import exists, is_file
from agtop_exporter.model import AgtopError
from agtop_exporter.service.unit import UNIT_NAME

NAME = UNIT_NAME.removesuffix(".service")


def unit_path(environment: Mapping[str, str], home: Path) -> Path:
    """Return the path of the unit in the user's configuration directory."""
    base = environment.get("XDG_CONFIG_HOME") or home / ".config"
    return Path(base) / "systemd" / "user" / UNIT_NAME


def install(text: str, environment: Mapping[str, str], *, home: Path) -> list[str]:
    """Write the unit and enable it. Return lines about what was done and what to do next.

    `text` is the text of the unit. The unit is enabled by a symbolic link, as `systemctl enable`
    does. The unit then starts when the user logs in. If there is a different unit, it is copied to
    `agtop-exporter.service.backup-1`, or the next number, before it is replaced.

    Raises:
        AgtopError: The system has no systemd, or the files cannot be written.

    """
    if not platforms.SYSTEMD:
        raise AgtopError(
            "install-service writes a unit for systemd, which this system does not have; "
            "start agtop-exporter from the service manager of this system"
        )
    path = unit_path(environment, home)
    link = _link(path)
    done = f"{path}: written"
    try:
        platforms.make_directory(link.parent, 0o755)
        if is_file(path):
            done = _replaced(path, text)
        if not done.endswith("unchanged"):
            _write(path, text)
        if not link.is_symlink():
            link.symlink_to(path)
    except OSError as error:
        raise AgtopError(f"{error.filename}: {error.strerror}") from error
    return [done, f"{link}: enabled, starts when you log in", *_next(environment)]


def uninstall(environment: Mapping[str, str], *, home: Path) -> list[str]:
    """Remove the unit and its link. Return lines about what was done and what to do next.

    Raises AgtopError if the files cannot be removed.
    """
    path = unit_path(environment, home)
    lines = []
    try:
        for one in (_link(path), path):
            if one.is_symlink() or is_file(one):
                one.unlink()
                lines.append(f"{one}: removed")
    except OSError as error:
        raise AgtopError(f"{error.filename}: {error.strerror}") from error
    if not lines:
        return [f"{path}: not installed"]
    rest = [one for one in sorted(path.parent.glob(f"{UNIT_NAME}*")) if one != path]
    lines += [f"{one}: kept" for one in rest]
    if _manager_runs(environment):
        stop = f"systemctl --user stop {NAME} && systemctl --user daemon-reload"
        lines += ["to stop it now:", f"    {stop}"]
    return lines


def _link(path: Path) -> Path:
    return path.parent / "default.target.wants" / path.name


def _replaced(path: Path, text: str) -> str:
    """Keep a copy of the unit at `path` if it differs from `text`. Return a line about it."""
    before = path.read_bytes()
    if before == os.fsencode(text):
        return f"{path}: unchanged"
    copies = (path.with_name(f"{path.name}.backup-{number}") for number in itertools.count(1))
    copy = next(one for one in copies if not exists(one) or one.read_bytes() == before)
    copy.write_bytes(before)
    return f"{path}: replaced; {copy.name} is a copy of the unit before"


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(os.fsencode(text))
    new.replace(path)


def _next(environment: Mapping[str, str]) -> list[str]:
    """Return lines with the commands that the user must run next."""
    always = "loginctl enable-linger   (to run it also while you are not logged in)"
    if _manager_runs(environment):
        return [
            "to start it now:",
            f"    systemctl --user daemon-reload && systemctl --user restart {NAME}",
            f"    {always}",
        ]
    return ["no systemd user manager is running: the unit starts with it", f"    {always}"]


def _manager_runs(environment: Mapping[str, str]) -> bool:
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    return bool(runtime) and os.path.exists(f"{runtime}/systemd/private")  # noqa: PTH110 - it may be ""
