"""Recognizes repeated records of a source by their ids. Does no I/O."""

from hashlib import blake2b

import msgspec

SEEN_MAX = 4096  # maximum number of ids of one source


class SeenIds(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The latest record ids of a source, at most SEEN_MAX.

    The ids are stored as 64-bit digests. Two different ids are unlikely to have the same digest.
    """

    digests: dict[int, None] = msgspec.field(default_factory=dict)

    def add(self, identifier: str) -> bool:
        """Store a record id; return True if the id was not stored before."""
        digest = blake2b(identifier.encode(errors="replace"), digest_size=8).digest()
        number = int.from_bytes(digest)
        if number in self.digests:
            return False
        self.digests[number] = None
        if len(self.digests) > SEEN_MAX:
            del self.digests[next(iter(self.digests))]
        return True
