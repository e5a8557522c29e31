"""Exports metrics of AI coding agents: tokens, cost at the time of use, and process resources.

Other programs use `snapshot`, which reads the agents' files once:

    import agtop_exporter

    sessions = agtop_exporter.snapshot().sessions
    tokens = sum(session.tokens.total for session in sessions)

`Snapshot`, `Session` and the other types are immutable. Mistakes raise `AgtopError`.
"""

TYPE_CHECKING = False  # without the import of typing: Ctrl-C would show it, see `__main__`
if TYPE_CHECKING:
    from agtop_exporter.library import snapshot
    from agtop_exporter.model import (
        PICODOLLARS_PER_USD,
        AgentStatus,
        AgtopError,
        Cost,
        ModelUsage,
        RateLimit,
        Session,
        Snapshot,
        TokenCounts,
    )
    from agtop_exporter.settings import SettingsError

__version__ = "0.1.0"

__all__ = [
    "PICODOLLARS_PER_USD",
    "AgentStatus",
    "AgtopError",
    "Cost",
    "ModelUsage",
    "RateLimit",
    "Session",
    "SettingsError",
    "Snapshot",
    "TokenCounts",
    "__version__",
    "snapshot",
]


def __getattr__(name: str) -> object:
    """Return a public name. Its module is imported at the first use.

    Every part of the program imports this package, and most parts do not need the library.
    """
    from importlib import import_module  # noqa: PLC0415 - as above

    if name in __all__:
        modules = {"snapshot": "library", "SettingsError": "settings"}
        return getattr(import_module(f"{__name__}.{modules.get(name, 'model')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
