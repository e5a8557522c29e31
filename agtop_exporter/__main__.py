"""Runs `agtop-exporter` as `python -m agtop_exporter`."""

from agtop_exporter.cli import exporter

if __name__ == "__main__":
    exporter()
