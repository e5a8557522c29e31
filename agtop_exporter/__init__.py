"""Exports metrics of AI coding agents: tokens, cost at the time of use, and process resources."""

__version__ = "0.1.0"
