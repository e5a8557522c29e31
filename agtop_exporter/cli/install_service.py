"""Implements `agtop-exporter install-service`, which installs a systemd user unit."""

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from agtop_exporter.cli.command import CONFIG, setting_option
from agtop_exporter.cli.commands import ONLY_IN_FILE
from agtop_exporter.cli.output import write
from agtop_exporter.cli.wiring import (
    config_file,
    environment,
    settings_with_origins,
    state_base,
    variables_of_all_agents,
)
from agtop_exporter.model import AgtopError
from agtop_exporter.service import installation
from agtop_exporter.service.unit import below_home, command_of, is_temporary, unit
from agtop_exporter.settings import Origins, Settings

SENDS = "OTEL_"  # prefix of the variables of the push, which may contain credentials


def run(options: Namespace) -> None:
    """Write the systemd unit and enable it, or remove it. Print what was done."""
    if options.uninstall:
        lines = installation.uninstall(environment(), home=Path.home())
    else:
        lines = _install(options)
    write("\n".join(lines) + "\n")


def _install(options: Namespace) -> list[str]:
    settings, origins = settings_with_origins(options, environment())
    arguments = [*_config(options), *_arguments(settings, origins)]
    variables = variables_of_all_agents(settings, environment())
    text = unit(
        command_of(Path(sys.executable), arguments),
        state=below_home(state_base(environment()), Path.home()),
        variables=variables,
    )
    lines = installation.install(text, environment(), home=Path.home())
    if arguments:
        lines.append(f"options of the service: {shlex.join(arguments)}")
    if variables:
        lines.append(f"variables of the service: {', '.join(variables)}")
    if is_temporary(Path(sys.executable)):
        lines.append(
            "warning: the service uses this temporary installation; install the package with "
            "`uv tool install` or `pipx install`, then run install-service again"
        )
    unseen = [name for name in environment() if name.startswith(SENDS)] if settings.otlp else []
    if unseen:
        place = "set them in ~/.config/environment.d/agtop.conf"
        lines.append(f"not passed to the service, {place}: {', '.join(unseen)}")
    return lines


def _config(options: Namespace) -> list[str]:
    """Return the option `--config` if the service would not find the configuration file itself."""
    config = config_file(options, environment())
    if config is None or config == Path.home() / ".config" / "agtop-exporter" / "config.toml":
        return []
    return [CONFIG.flag, str(config.absolute())]


def _arguments(settings: Settings, origins: Origins) -> list[str]:
    """Return the options for the settings that flags and variables set.

    Paths are absolute, because the service has another working directory. Raises AgtopError for a
    setting that cannot be an option.
    """
    arguments = []
    for name, origin in origins.outside_file().items():
        value = getattr(settings, name)
        if name in ONLY_IN_FILE or value is False:
            raise AgtopError(
                f"{origin} is not passed to the service: set {name} in the configuration file"
            )
        option = setting_option(name)
        for one in value if isinstance(value, tuple) else (value,):
            word = str(Path(one).expanduser().absolute()) if option.is_path else str(one)
            arguments += [option.flag] if one is True else [option.flag, word]
    return arguments
