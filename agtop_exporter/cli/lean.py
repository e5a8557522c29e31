"""Prevents structlog from importing the package rich, which would take 6 MB of memory.

Only structlog's console renderer needs rich, and this program does not use that renderer. Commands
that print with rich import rich themselves. This module must be imported before every module that
imports structlog.
"""

import sys

if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # importing it fails now
    import structlog  # noqa: F401 - continues without rich

    del sys.modules["rich"]
