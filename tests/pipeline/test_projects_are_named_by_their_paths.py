"""The project of a missing directory, or of one on another system, is derived from its path."""

import os

import pytest

from agtop_exporter.agents import load_agents
from agtop_exporter.folders import Folders
from agtop_exporter.project import Rules, folder_name, project_name

WORKTREES = {name: at for agent in load_agents() for name, at in agent.worktrees.items()}
RULES = Rules(worktrees=WORKTREES)

ENGINE = [
    "/srv/gone/engine",
    "/srv/gone/engine/",
    "/srv/gone/engine/.",
    "/srv/gone/loom/../engine",
    # worktrees in their repository
    "/srv/gone/engine/.claude/worktrees/calm-otter-3f2a",
    "/srv/gone/engine/.claude/worktrees/calm-otter-3f2a/packages/web",
    "/srv/gone/engine/.codex/worktrees/agent-edge",
    "/srv/gone/engine/.codex/worktrees/agent-edge/src",
    "/srv/gone/engine/.worktrees/fix-41",
    "/srv/gone/engine/.worktrees/fix-41/src/deep",
    "/srv/gone/engine/.trees/fix-41/src",
    "/srv/gone/engine/worktrees/fix-41",
    "/srv/gone/engine/worktrees/fix-41/src",
    "/srv/gone/engine/.auto-claude/worktrees/tasks/12",
    "/srv/gone/engine/.conductor/lisbon",
    "/srv/gone/engine/.clauge-worktrees/12ab",
    "/srv/gone/engine/.git/phantom/worktrees/fix-41",
    "/srv/gone/engine/.git/worktrees/fix-41",
    "/srv/gone/engine.worktrees/fix-41",
    "/srv/gone/engine-worktrees/fix-41/src",
    # worktrees in a folder of a program
    "/srv/gone/.codex/worktrees/a1b2/engine",
    "/home/ada/.codex/worktrees/a1b2/engine/packages/web",
    "/home/ada/.codex/worktrees/576d11db-32f2-4f20-a5a8-2b3625cc6db5/engine",
    "/Users/ada/.codex/worktrees/fix-451/engine",
    "/home/ada/.claude-worktrees/engine/calm-otter",  # Claude Desktop's default
    "/Users/ada/.claude-worktrees/engine/calm-otter/src",
    "C:\\Users\\ada\\.claude-worktrees\\engine\\calm-otter",
    "/home/ada/.cursor/worktrees/engine/zhl",
    "/home/ada/.cursor/worktrees/engine/zhl/src",
    "/home/ada/.codex/worktrees/a1b2/engine/.claude/worktrees/calm",
    "/home/ada/conductor/workspaces/engine/lisbon",
    "/home/ada/.t3/worktrees/engine/t3code-a09dee1e",
    "/srv/gone/.t3/worktrees/engine/t3code-a09dee1e/src",
    "/home/ada/.codex/worktrees/engine/issue-468-835273",
    "/srv/gone/.codex/worktrees/fix-451/engine",
    "/home/ada/.superset/worktrees/engine/azure-cloud-42",
    "/home/ada/.copilot/repos/copilot-worktrees/engine/ada-risk-guide/src",
    r"C:\Users\ada\copilot-worktrees\engine\ada-cuddly-lamp",
    "/home/ada/code/copilot-worktrees/engine/ada-shiny-fiesta",
    # folders of worktrees
    "/home/ada/worktrees/env-1/engine",
    "/home/ada/code/worktrees/fix-41/engine",
    "/srv/gone/worktrees/a1b2/engine",
    "/srv/gone/worktrees/fix-41/engine",
    "/srv/gone/worktrees/a1b2/engine/packages/web",
    # bare repositories
    "/srv/git/engine.git",
    "/srv/git/engine.git/fix-41",
    "/srv/gone/engine/.bare",
    # dev containers
    "/workspaces/engine",
    "/workspaces/engine/packages/web",
    "vscode-remote://dev-container%2B1f/workspaces/engine/packages/web",
    # temporary clones
    "/tmp/tmp.Xa3fQ2b1/engine",
    "/tmp/tmpab12cd34/engine/packages/web",
    "/private/var/folders/xx/yyyy/T/tmpab12cd3_/engine",
    "/tmp/3f2a1b1c-aaaa-4444-8888-123456789abc/engine",
    # other systems
    r"C:\Users\ada\code\engine",
    "C:\\Users\\ada\\engine\\",
    "C:/Users/ada/engine",
    r"C:\Users\ada\engine\.claude\worktrees\calm\src",
    r"C:\Users\ada\.codex\worktrees\a1b2\engine",
    r"C:\Users\ada\AppData\Local\Temp\tmpab12cd3_\engine",
    r"\\wsl.localhost\Ubuntu\srv\gone\engine",
    r"\\wsl$\Ubuntu\home\ada\engine",
    "//wsl.localhost/Ubuntu/home/ada/engine",
    r"\\server\share\engine",
    r"\\?\C:\Users\ada\engine",
    r"\\?\UNC\server\share\engine",
    "/workspace/C:\\Users\\ada\\engine",
    "file:///home/ada/engine",
    "file:///c%3A/Users/ada/engine",
    "vscode-remote://wsl%2Bubuntu/home/ada/engine",
    # relative paths
    "engine",
    "./engine",
    "../engine",
    "~/engine",
    "~ada/src/engine",
    r"code\engine",
    "/home/ada/engine.code-workspace",
]
NOTHING = ["", "/", ".", "..", "./", "../..", "~", "~/", "~ada", "C:\\", "C:", r"\\server\share"]
NOTHING += ["\0", "/srv/\0/engine", "/tmp/tmp.Xa3fQ2b1", "/tmp/tmpab12cd34", "/srv/..", "file:///"]


@pytest.fixture(params=["/", "checkout"])
def started_in(request, tmp_path, monkeypatch):
    """Change to the root directory, or to a checkout with folders of these names."""
    if request.param == "checkout":
        remote(tmp_path / "start", "other")
        for name in ("engine", "code/engine", "~/engine", "C:/Users/ada/engine"):
            (tmp_path / "start" / name).mkdir(parents=True)
    monkeypatch.chdir("/" if request.param == "/" else tmp_path / "start")


def remote(folder, name):
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").write_text(f'[remote "origin"]\n\turl = x:ada/{name}.git\n')
    return folder


@pytest.mark.usefixtures("started_in")
@pytest.mark.parametrize("cwd", ENGINE)
def test_a_path_names_its_project(cwd):
    assert project_name(cwd, RULES) == "engine"
    assert folder_name(cwd, RULES) == "engine"


@pytest.mark.usefixtures("started_in")
@pytest.mark.parametrize("cwd", NOTHING)
def test_a_path_without_a_project_has_no_name(cwd):
    assert project_name(cwd) == ""


@pytest.mark.parametrize("cwd", ["/tmp/engine", "/tmp/tmpfiles", "/tmp/temperature", "/srv/12"])
def test_an_ordinary_folder_keeps_its_name(cwd):
    assert project_name(cwd) == cwd.rpartition("/")[2]


@pytest.mark.slow
@pytest.mark.usefixtures("started_in")
def test_the_child_process_gives_the_same_names():
    folders = Folders(dict(os.environ))
    folders.rules = RULES
    try:
        assert {folders.find(cwd).project for cwd in ENGINE} == {"engine"}
        assert {folders.find(cwd).project for cwd in NOTHING if "\0" not in cwd} == {""}
    finally:
        folders.close()


@pytest.mark.parametrize(
    "worktree", [".claude/worktrees/calm/packages", ".worktrees/fix", "worktrees/a1b2/engine"]
)
def test_a_removed_worktree_has_the_remote_of_its_repository(worktree, tmp_path):
    root = remote(tmp_path / "copy-7", "engine")
    assert project_name(str(root / worktree)) == "engine"


@pytest.mark.parametrize(
    "pointer",
    [
        "/srv/gone/engine/.git/worktrees/fix-41",
        "C:/Users/ada/engine/.git/worktrees/fix-41",
        r"C:\Users\ada\engine\.git\worktrees\fix-41",
        "../gone/engine/.git/worktrees/fix-41",
        "../gone/.git/modules/engine",
        "/srv/gone/engine.git/worktrees/fix-41",
        "/srv/gone/engine/.bare/worktrees/fix-41",
    ],
)
def test_a_worktree_without_its_repository_has_the_name_in_its_pointer(pointer, tmp_path):
    """Only the worktree is mounted in a container, or Windows' worktree is read in WSL."""
    (tmp_path / "side" / "src").mkdir(parents=True)
    (tmp_path / "side" / ".git").write_text(f"gitdir: {pointer}\n")
    assert project_name(str(tmp_path / "side" / "src")) == "engine"


@pytest.mark.parametrize(
    ("bare", "place"), [("engine.git", ""), ("engine", ""), (".bare", "engine"), ("bare", "engine")]
)
def test_a_worktree_of_a_bare_repository_has_its_name(bare, place, tmp_path):
    repository = tmp_path / place / bare
    (repository / "worktrees" / "side").mkdir(parents=True)
    (repository / "config").write_text("[core]\n\tbare = true\n")
    (repository / "worktrees" / "side" / "commondir").write_text("../..\n")
    (tmp_path / "side").mkdir()
    (tmp_path / "side" / ".git").write_text(f"gitdir: {repository}/worktrees/side\n")
    assert project_name(str(tmp_path / "side")) == "engine"
    assert project_name(str(repository)) == ("bare" if bare == "bare" else "engine")


@pytest.mark.parametrize("name", [project_name, folder_name])
def test_both_spellings_of_an_accent_are_one_project(name):
    """On macOS, a path may be decomposed. Some agents compose it before they write it."""
    assert name("/srv/gone/cafe\N{COMBINING ACUTE ACCENT}") == "caf\xe9"
    assert name("/srv/gone/caf\xe9") == "caf\xe9"


@pytest.mark.parametrize("linked", [False, True])
def test_a_repository_at_the_home_does_not_name_every_project(linked, tmp_path):
    home = remote(tmp_path / "ada", "dotfiles")
    (home / "src" / "engine").mkdir(parents=True)
    (tmp_path / "link").symlink_to(home)
    rules = Rules(homes=[str(tmp_path / "link" if linked else home)])
    assert project_name(str(home / "src" / "engine"), rules) == "engine"
    assert project_name(str(home / "gone" / ".worktrees" / "x"), rules) == "gone"
    assert project_name(str(home), rules) == "dotfiles"
    assert project_name(str(home / "src" / "engine")) == "dotfiles"  # it is not a home
    remote(home / "src" / "engine", "loom")
    assert project_name(str(home / "src" / "engine" / "deep"), rules) == "loom"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://dev.azure.com/ada/_git/Big%20Engine", "Big Engine"),
        (r"C:\repos\engine.git", "engine"),
        (".", "copy-7"),
        ("..", "copy-7"),
    ],
)
def test_a_remote_has_the_name_that_people_read(url, name, tmp_path):
    root = remote(tmp_path / "copy-7", "")
    (root / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {url}\n')
    assert project_name(str(root)) == name


@pytest.mark.parametrize("below", ["", "src/deep"])
def test_a_removed_worktree_beside_its_repository_belongs_to_it(below, tmp_path):
    """NousResearch/hermes-agent 71665. A folder that was no worktree keeps its name."""
    root = remote(tmp_path / "copy", "engine")
    (root / ".git/worktrees/copy-fix-41").mkdir(parents=True)
    assert project_name(str(tmp_path / "copy-fix-41" / below)) == "engine"
    assert project_name(str(tmp_path / "copy-other")) == "copy-other"
    (tmp_path / "copy-fix-41").mkdir()  # again, by other means
    assert project_name(str(tmp_path / "copy-fix-41")) == "copy-fix-41"
