"""Compares the settings and variables of the installed service and of the shell, for `doctor`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from agtop_exporter import platforms
from agtop_exporter.cli.arguments import parse
from agtop_exporter.cli.commands import EXPORTER
from agtop_exporter.cli.wiring import (
    environment,
    settings_with_origins,
    state_directory,
    variables_of_all_agents,
)
from agtop_exporter.doctor.report import ServiceCheck
from agtop_exporter.model import AgtopError
from agtop_exporter.service.installed import installed_service
from agtop_exporter.settings import Settings

COMPARED = ("home", "agent", "plan", "procfs", "no_state", "cache_dir", "prices", "budgets")
"""Settings that change what both the daemon and `agtop` show."""
AGAIN = "run `agtop-exporter install-service` in this shell"


class View(NamedTuple):
    """The settings, the variables of the agents, and the directory of the ledger."""

    settings: Settings
    variables: Mapping[str, str]
    state: Path


def check_service() -> ServiceCheck | None:
    """Return the differences between the installed service and this shell.

    The options that the user gave to `doctor` are ignored. Return None if no service is installed.
    """
    service = installed_service(environment(), home=Path.home(), uid=platforms.user_id())
    if service is None:
        return None
    try:
        its_view = _view(service.arguments, service.environment)
        view = _view((), environment())
    except AgtopError as error:
        lines = str(error).splitlines()
        return ServiceCheck(service.unit, service.pid, problems=tuple(lines), differences=())
    return ServiceCheck(
        service.unit,
        service.pid,
        problems=tuple(_variables(view.variables, its_view.variables)),
        differences=tuple(_settings(view, its_view)),
    )


def _view(arguments: Sequence[str], variables: Mapping[str, str]) -> View:
    """Return the View of a daemon with these command-line arguments and variables.

    Raises AgtopError if the arguments or the settings are invalid.
    """
    _, options = parse(EXPORTER, arguments)
    settings, _ = settings_with_origins(options, variables)
    return View(
        settings,
        variables_of_all_agents(settings, variables),
        state_directory(settings, variables),
    )


def _variables(shell: Mapping[str, str], service: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*shell, *service}):
        here, there = shell.get(name), service.get(name)
        if here != there:
            hint = f": {AGAIN}" if here else ""
            yield f"{name} is {_shown(here)} in this shell and {_shown(there)} in the service{hint}"


def _settings(shell: View, service: View) -> Iterator[str]:
    if shell.state != service.state:
        yield f"the service keeps its ledger in {service.state}, and this shell reads {shell.state}"
    for name in COMPARED:
        here, there = getattr(shell.settings, name), getattr(service.settings, name)
        if here != there and name in ("prices", "budgets"):
            yield f"{name} of this shell and of the service differ"
        elif here != there:
            yield f"{name} is {_shown(here)} in this shell and {_shown(there)} in the service"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return str(value or "not set")
