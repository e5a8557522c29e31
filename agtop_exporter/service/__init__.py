"""The systemd user service: its unit, its installation, and what it sees of the user's settings.

No command is run. `unit` has the text of the unit, `installation` writes and removes files,
`variables` finds the variables that decide where agents write, and `installed` reads the unit or
the running service.
"""
