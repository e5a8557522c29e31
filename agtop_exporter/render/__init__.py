"""Renderers: functions that turn a snapshot or an exposition into text or bytes.

They do no I/O and read no clock.
"""
