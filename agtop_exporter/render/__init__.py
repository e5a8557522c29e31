"""Renderers: functions that convert a snapshot or an exposition to text or bytes.

The functions perform no I/O and do not read the clock.
"""
