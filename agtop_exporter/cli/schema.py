"""`agtop json --schema`: the JSON Schema of the document that `agtop json` prints."""

from argparse import Namespace

from agtop_exporter.cli.output import leave, write
from agtop_exporter.render import json


def run(_options: Namespace) -> None:
    """Print the schema. No file is read."""
    write(json.schema())
    leave()
