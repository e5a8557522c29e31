"""Implements `agtop-exporter catalogue`, which prints every metric as a Markdown table."""

from argparse import Namespace

from agtop_exporter.cli.output import write
from agtop_exporter.metrics import markdown


def run(_options: Namespace) -> None:
    """Print the Markdown table of all metrics."""
    write(markdown())
