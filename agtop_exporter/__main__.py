"""`python -m agtop_exporter` is `agtop-exporter`."""

from agtop_exporter.cli import exporter

if __name__ == "__main__":
    exporter()
