"""Renderers: a snapshot, or its exposition, as text or bytes. None does I/O or reads a clock."""
