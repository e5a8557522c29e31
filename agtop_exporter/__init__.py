"""Metrics of AI coding agents: exact tokens, dated cost, and the processes behind each session."""

__version__ = "0.1.0"
