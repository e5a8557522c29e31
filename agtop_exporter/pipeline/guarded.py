"""Finds an agent's changed files, and skips file systems that do not respond.

Another process first tests the file systems that depend on a server, such as NFS. Then a thread
with a time limit checks the files, because a file system may stop responding at any time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

import msgspec

from agtop_exporter.agents import Agent, Environment
from agtop_exporter.folders import Folders, Trouble
from agtop_exporter.folders.mounts import is_below
from agtop_exporter.model import Cursor
from agtop_exporter.pipeline.files import AgentFiles, Listing
from agtop_exporter.pipeline.guard import Guard, NoResponseError

AnyPath = TypeVar("AnyPath", Path, str)


class Places(msgspec.Struct, frozen=True):
    """The paths at which an agent may have files."""

    roots: tuple[Path, ...] = ()
    silent: tuple[str, ...] = ()  # paths on file systems that do not respond
    aliases: Mapping[str, str] = {}  # other paths of files -> the paths that are read
    accounts: Mapping[str, str] = {}  # parents of the roots that are read -> names of accounts

    def account_of(self, path: str) -> str:
        """Return the name of the account that a file belongs to."""
        return next((name for top, name in self.accounts.items() if is_below(path, top)), "")


class GuardedFiles:
    """Finds the changed files of one agent, even if some file systems do not respond."""

    def __init__(
        self,
        agent: Agent,
        homes: Sequence[Path],
        environment: Environment,
        *,
        guard: Guard,
        folders: Folders,
    ) -> None:
        """Start without results. Nothing is read before the first call of `look`."""
        self._plans: dict[str, str] = {}  # by account
        self.places = Places()
        """The paths at which the last call of `look` searched for files."""
        self._agent = agent
        self._homes = tuple(homes)
        self._environment = environment
        self._responds = False
        self._files = AgentFiles(agent, homes, environment)
        self._fixed_roots = lru_cache(maxsize=1)(self._files.roots)  # those without `Agent.bases`
        self._links: set[str] = set()  # symbolic links that were found below the roots
        self._guard = guard
        self._folders = folders

    def look(
        self,
        cursors: Mapping[str, Cursor],
        *,
        stopping: Callable[[], bool],
        waiting: Callable[[], None],
    ) -> Listing:
        """Compare the files with their `cursors`, and return the changed files.

        Paths on file systems that do not respond are listed as unreadable in the result. `stopping`
        and `waiting` are those of `Guard.call`.

        NoResponseError is raised if a file system stops responding during the check. It is also
        raised if the check does not end soon after `stopping` has returned True.
        """
        try:
            return self._look(cursors, stopping, waiting)
        except NoResponseError:
            self._folders.check_again()
            raise

    def _look(
        self,
        cursors: Mapping[str, Cursor],
        stopping: Callable[[], bool],
        waiting: Callable[[], None],
    ) -> Listing:
        troubles: dict[str, Trouble] = {}
        call = partial(
            self._guard.call,
            self._agent.name,
            place=lambda: self._files.root,
            stopping=stopping,
            waiting=waiting,
        )
        homes = self._responding(self._homes, troubles)
        bases = [base for home in homes for base in self._agent.bases(home, self._environment)]
        roots: tuple[Path, ...] = ()
        if len(self._responding(bases, troubles)) == len(bases):
            find = self._files.roots
            found = call(lambda _beat: find(homes)) if bases else self._fixed_roots(homes)
            roots = self._responding(found, troubles, below=True)
        self.places = Places(roots, tuple(troubles), self._files.aliases, self.places.accounts)
        self._responds = not troubles
        links = set(self._responding(self._links, troubles))
        avoid = frozenset(troubles)
        while True:
            listing = call(
                lambda beat: self._files.look(
                    cursors, roots=roots, avoid=avoid, may_follow=links.__contains__, beat=beat
                )
            )
            new = [link for link in listing.not_followed if link not in self._links]
            self._links.update(new)
            followed = self._responding(new, troubles)
            if not followed:
                break
            links.update(followed)
            self._files.look_again()
        parents = (root.parent for root in self._files.usable)
        accounts = {str(folder): self._agent.account(folder) for folder in parents}
        self.places = msgspec.structs.replace(self.places, accounts=accounts)
        unreadable = (*listing.unreadable, *dict.fromkeys(troubles.values()))
        return msgspec.structs.replace(listing, unreadable=unreadable)

    def account_plans(self) -> Mapping[str, str]:
        """Return the name of the subscription of each account of the agent; "" if it is unknown.

        The key "" is the account in the default directory. Its subscription is the first one that
        is found in the home directories. The names are read after the first call of `look` during
        which all paths responded, and again when an account was added. Raises NoResponseError if a
        file system stops responding.
        """
        if self._responds and not self._plans.keys() >= {"", *self.places.accounts.values()}:
            self._plans = self._guard.call(self._agent.name, lambda _beat: self._read_plans())
        return self._plans

    def _read_plans(self) -> dict[str, str]:
        plans = (self._agent.plan(home, self._environment) for home in self._homes)
        of_accounts = {
            name: self._agent.account_plan(Path(folder))
            for folder, name in self.places.accounts.items()
        }
        return of_accounts | {"": next(filter(None, plans), "")}

    def _responding(
        self, paths: Iterable[AnyPath], troubles: dict[str, Trouble], *, below: bool = False
    ) -> tuple[AnyPath, ...]:
        """Return the paths whose file systems respond, and add every other path to `troubles`.

        If `below` is true, the file systems that are mounted below a path must respond too.
        """
        responding = []
        for path in paths:
            if trouble := self._folders.trouble_with(str(path), below=below):
                troubles[str(path)] = trouble
            else:
                responding.append(path)
        return tuple(responding)
