"""Reads, merges and validates the settings of the program.

Flags override `AGTOP_*` variables. Variables override a TOML file. The file overrides the defaults.
The caller passes in the flags and the environment.
"""

from agtop_exporter.settings.fields import DEFAULT_PORT, PREFIX, Settings
from agtop_exporter.settings.form import Form
from agtop_exporter.settings.loading import (
    Origins,
    SettingsError,
    checked_settings,
    load_settings,
    load_with_origins,
)
from agtop_exporter.settings.mistakes import suggestion

__all__ = [
    "DEFAULT_PORT",
    "PREFIX",
    "Form",
    "Origins",
    "Settings",
    "SettingsError",
    "checked_settings",
    "load_settings",
    "load_with_origins",
    "suggestion",
]
