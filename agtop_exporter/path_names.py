"""Derives the project of a directory from the text of its path, without reading the directory.

The text of the path is the only source for worktrees that were removed and for directories on
other machines. Known layouts of worktrees:

* `<repository>/.<program>/worktrees/<name>` of most programs
* `<home>/.<program>/worktrees/<repository>/<id>` or `<id>/<repository>`, depending on the program
  (for `.t3`: yiliangs/agent-usage-stat 64)
* `<folder>/worktrees/<id>/<repository>`, `<repository>/worktrees/<name>`
* `<repository>/.worktrees/<name>`, `<repository>/.trees/<name>`, `<repository>.worktrees/<name>`
* `<home>/.<program>-worktrees/<repository>/<name>`: Claude Desktop (`.claude-worktrees`) and others
* `<home>/conductor/workspaces/<repository>/<name>`, `<repository>/.conductor/<name>`: Conductor
* `<repository>.git/<name>`, `<repository>/.bare`: beside or in a bare repository
* `/workspaces/<repository>`: dev containers and Codespaces
"""

import re
from collections.abc import Mapping, Sequence

from agtop_exporter.paths import components

WORKTREES = frozenset({"worktrees", "worktree"})
FOLDERS_OF_WORKTREES = frozenset({".worktrees", ".trees", ".conductor"})  # in a repository
BESIDE = re.compile(r"(.+)[._-]worktrees?", re.IGNORECASE)  # a folder of worktrees by its suffix
ID = re.compile(r"(?=.*\d)[0-9a-f]{4,}(?:-[0-9a-f-]+)?|\d+", re.IGNORECASE)
GENERATED = re.compile(rf".+-(?=[0-9a-f]*\d)[0-9a-f]{{6,}}|{ID.pattern}", re.IGNORECASE)
RANDOM = re.compile(  # names that mkdtemp(3), mktemp(1) and Python make
    r"(?i:tmp|temp)[._-]?(?=[a-z]*[A-Z0-9_])[A-Za-z0-9_]{6,12}|tmp\.[A-Za-z0-9]{6,12}"
)
TEMPORARY = ("tmp", "temp", "T")
HOMES = frozenset({"home", "users"})
FOLDERS_OF_REPOSITORIES = frozenset(
    {"code", "dev", "development", "documents", "git", "github", "github.com", "projects"}
    | {"repos", "repositories", "source", "sources", "src", "work", "workspace", "workspaces"}
)
FOLDERS_IN_REPOSITORIES = frozenset(
    {"app", "apps", "backend", "client", "cmd", "docs", "frontend", "internal", "lib", "libs"}
    | {"packages", "scripts", "server", "services", "src", "target", "test", "tests", "tools"}
    | {"web"}
)
WORKSPACE_SUFFIX = ".code-workspace"
STORES = {".superset": 0, ".t3": 0, ".worktrees": 0}
"""Worktree folders of programs that are not agents. PathNames explains the values."""


class PathNames:
    """Derives the names of projects from paths.

    `worktrees` has the names of folders, such as `.t3`, in which a program keeps worktrees of many
    repositories. The value is 0 if the path below the folder is `<repository>/<id>`, and 1 if that
    path is `<id>/<repository>`.
    """

    def __init__(self, worktrees: Mapping[str, int]) -> None:
        self._worktrees = {**STORES, **worktrees}

    def folder_name(self, path: str) -> str:
        """Return the project name of the directory `path`; "" if the path contains no name."""
        return self.name_of(components(path))

    def name_of(self, parts: Sequence[str]) -> str:
        """Return the project name of a directory from the components of its path; "" if unknown."""
        name = self.repository_name(parts) or _clone_name(parts)
        if name is None:
            name = parts[-1] if parts else ""
        return "" if name.startswith("~") else name.removesuffix(WORKSPACE_SUFFIX)

    def repository_name(self, parts: Sequence[str]) -> str:
        """Return the repository's name if the path has a known layout of worktrees; otherwise "".

        `parts` are the components of the path. If several layouts match, the match nearest to the
        end of the path counts, because a worktree may be inside another worktree.
        """
        for index in range(len(parts) - 1, -1, -1):
            if name := self._repository_at(parts, index):
                return name
        return ""

    def bare_name(self, parts: Sequence[str]) -> str:
        """Return the name of the bare repository whose path has the components `parts`.

        The result is "" if the path contains no name.
        """
        is_named = parts and parts[-1] != "bare" and not parts[-1].startswith(".")
        return self.name_of(parts if is_named else parts[:-1])

    def _repository_at(self, parts: Sequence[str], index: int) -> str:
        """Return the repository's name if a layout matches at the component `index`; else ""."""
        part, base, below = parts[index], parts[:index], parts[index + 1 :]
        if part in (".git", ".bare", ".jj"):
            return below[-1] if "modules" in below else self.name_of(base)
        if part.endswith(".git"):
            return part.removesuffix(".git")
        return self._folder_of_worktrees(base, part, below) if below else ""

    def _folder_of_worktrees(self, base: Sequence[str], part: str, below: Sequence[str]) -> str:
        """Return the repository's name for the path `<base>/<part>/<below>`.

        Return "" if `part` is not the name of a folder that contains worktrees.
        """
        if part in WORKTREES:
            return self._worktree_name(base, below)
        in_repository = bool(base) and not is_home(base)
        beside = BESIDE.fullmatch(part)
        is_hidden = beside is not None and part.startswith(".")
        if in_repository and (part in FOLDERS_OF_WORKTREES or is_hidden):
            return self.name_of(base)
        is_store = is_hidden or part == ".worktrees" or (beside and part in self._worktrees)
        if is_store or (part == "workspaces" and base[-1:] == ("conductor",)):
            return below[0]
        return beside[1] if beside else ""

    def _worktree_name(self, base: Sequence[str], below: Sequence[str]) -> str:
        """Return the repository's name for the path `<base>/worktrees/<below>`."""
        hidden = max((at for at, part in enumerate(base) if part.startswith(".")), default=None)
        if hidden is not None:
            return self._name_in_program(base[:hidden], base[hidden], below)
        if len(below) == 1:
            return below[0] if _holds_repositories(base) else self.name_of(base)
        first, second = below[:2]
        if ID.fullmatch(first):
            return second
        if GENERATED.fullmatch(second):
            return first
        if _holds_repositories(base) or _is_pair(below):
            return second
        return self.name_of(base)

    def _name_in_program(self, base: Sequence[str], program: str, below: Sequence[str]) -> str:
        """Return the repository's name for the path `<base>/<program>/worktrees/<below>`.

        `program` is a hidden folder, such as `.t3`.
        """
        in_store = not base or is_home(base)
        if len(below) == 1:
            return below[0] if in_store else self.name_of(base)
        first, second = below[:2]
        place = self._worktrees.get(program)
        if place == 0:
            return first
        if place == 1 and ID.fullmatch(first):
            return second
        if place == 1 and (in_store or _is_pair(below)):  # some ids are words
            return first if GENERATED.fullmatch(second) else second
        if not in_store:
            return self.name_of(base)
        return second if ID.fullmatch(first) else first


def _is_pair(below: Sequence[str]) -> bool:
    """Return whether the components `below` are probably `<id>/<repository>`.

    Otherwise the second component is a folder inside a worktree.
    """
    return len(below) == 2 and below[1].lower() not in FOLDERS_IN_REPOSITORIES  # noqa: PLR2004 - a pair


def _holds_repositories(parts: Sequence[str]) -> bool:
    """Return whether a folder probably contains repositories instead of being a repository."""
    return not parts or is_home(parts) or parts[-1].lower() in FOLDERS_OF_REPOSITORIES


def _clone_name(parts: Sequence[str]) -> str | None:
    """Return the name of the folder below `<temporary folder>/<random name>` or `/workspaces`.

    Return "" if the path ends with the random name, and None if the path has no such part.
    """
    if parts[:1] == ("workspaces",):  # the folder of repositories in dev containers
        return parts[min(1, len(parts) - 1)]
    for index, part in enumerate(parts[1:], 1):
        if parts[index - 1] in TEMPORARY and (RANDOM.fullmatch(part) or ID.fullmatch(part)):
            return parts[index + 1] if index + 1 < len(parts) else ""
    return None


def is_home(parts: Sequence[str]) -> bool:
    """Return whether the components of a path look like those of a home directory."""
    if tuple(parts) in (("root",), ("~",)):
        return True
    return len(parts) > 1 and parts[-2].lower() in HOMES
