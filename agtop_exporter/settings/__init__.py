"""One validated settings object: flags over `AGTOP_*` variables over a TOML file over defaults.

The package does not read the command line or the environment itself; both are passed in.
"""

from agtop_exporter.settings.fields import DEFAULT_PORT, PREFIX, Form, Settings
from agtop_exporter.settings.loading import SettingsError, load_settings
from agtop_exporter.settings.mistakes import suggestion

__all__ = [
    "DEFAULT_PORT",
    "PREFIX",
    "Form",
    "Settings",
    "SettingsError",
    "load_settings",
    "suggestion",
]
