"""The systemd user service: its unit, its installation, and its settings and variables.

No command is run. `unit` has the text of the unit, `installation` writes and removes files,
`variables` finds the variables that determine where agents write, and `installed` reads the unit or
the running service.
"""
