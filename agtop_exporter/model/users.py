"""The owners of the home directories that are read."""

from collections.abc import Mapping

import msgspec

USERS_MAX = 64  # users that are counted apart; the others are counted as `OTHER_USERS`
OTHER_USERS = "other"


class Users(msgspec.Struct, frozen=True):
    """The names of the users who own the home directories, by the path of the directory.

    `homes` is empty if all directories belong to one user. Nothing is then counted by user.
    """

    homes: Mapping[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.homes)

    def owner_of(self, path: str) -> str:
        """Return the user whose home directory contains a file; "" if there is none.

        If one home directory contains another, the inner one determines the user.
        """
        found = (home for home in self.homes if path.startswith(home.rstrip("/") + "/"))
        return self.homes.get(max(found, key=len, default=""), "")


NO_USERS = Users()


def users_of_homes(owners: Mapping[str, str]) -> Users:
    """Return the Users for `owners`, which maps each home directory to the name of its owner.

    Users after the first USERS_MAX are counted as one.
    """
    names = list(dict.fromkeys(owners.values()))
    if len(names) < 2:  # noqa: PLR2004 - one user
        return NO_USERS
    kept = frozenset(names[:USERS_MAX])
    return Users({home: name if name in kept else OTHER_USERS for home, name in owners.items()})
