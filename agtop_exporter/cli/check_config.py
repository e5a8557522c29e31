"""Implements `agtop-exporter check-config`, which prints the settings and directories as TOML."""

from argparse import Namespace

from agtop_exporter.cli.output import write
from agtop_exporter.cli.wiring import (
    cache_directory,
    config_file,
    environment,
    settings_with_origins,
    state_directory,
)
from agtop_exporter.logs import on_one_line
from agtop_exporter.server.web import Protection
from agtop_exporter.settings import writing


def run(options: Namespace) -> None:
    """Validate the settings, and print them with their origins; or print the example."""
    if options.example:
        write(writing.example())
        return
    settings, origins = settings_with_origins(options, environment())
    Protection(settings.web_config_file)  # reports its mistakes
    places = {
        "file": config_file(options, environment()) or "none",
        "state": state_directory(settings),
        "cache": cache_directory(settings),
    }
    comments = [f"# {name}: {on_one_line(place)}\n" for name, place in places.items()]
    write(writing.as_toml(settings, origins) + "".join(comments))
