"""Recognises records that a source has twice, by their ids.

Nothing here does I/O.
"""

from hashlib import blake2b

import msgspec

SEEN_MAX = 4096  # ids of one source


class SeenIds(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The latest ids of a source, as 64-bit digests: two ids hardly ever have the same one."""

    digests: dict[int, None] = msgspec.field(default_factory=dict)

    def add(self, identifier: str) -> bool:
        """Remember an id; return whether it is new."""
        digest = blake2b(identifier.encode(errors="replace"), digest_size=8).digest()
        number = int.from_bytes(digest)
        if number in self.digests:
            return False
        self.digests[number] = None
        if len(self.digests) > SEEN_MAX:
            del self.digests[next(iter(self.digests))]
        return True
