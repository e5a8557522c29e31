"""Implements `agtop json --schema`, which prints the JSON Schema of the output of `agtop json`."""

from argparse import Namespace

from agtop_exporter.cli.output import leave, write
from agtop_exporter.render import json


def run(_options: Namespace) -> None:
    """Print the JSON Schema without reading the agents' files."""
    write(json.schema())
    leave()
