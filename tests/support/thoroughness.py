"""How many cases the exhaustive tests try: all with `CI=true`, a part of them without it."""

import os

THOROUGH = os.environ.get("CI") == "true"
EXAMPLES = 12 if THOROUGH else 8  # of a property test
EVERY_PREFIX_BYTES = 3_000 if THOROUGH else 1_500  # files up to this size are read byte by byte
EVERY_NTH_PAGE = 1 if THOROUGH else 4  # of a ledger, when pages are damaged
