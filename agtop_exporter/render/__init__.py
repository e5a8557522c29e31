"""Renderers: functions that convert a snapshot or an exposition to text or bytes.

They perform no I/O and read no clock.
"""
