"""Generates the Grafana dashboards. `grafana/generate.py` writes them as JSON."""
