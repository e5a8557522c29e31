"""Keeps structlog from importing rich, which only structlog's console renderer needs.

That import takes 6 MB of memory. The commands that print with rich import it themselves. This
module is imported before all others.
"""

import sys

if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # importing it fails now
    import structlog  # noqa: F401 - continues without rich

    del sys.modules["rich"]
