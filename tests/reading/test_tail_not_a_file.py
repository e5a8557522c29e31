"""Only regular files are opened, and opening a FIFO does not wait for a writer."""

import os
import socket
from pathlib import Path

import pytest
from tailing import read

from agtop_exporter.agents import load_agents, walk
from agtop_exporter.reading.files import NotAFileError


def directory(path):
    path.mkdir()


def fifo(path):
    os.mkfifo(path)


def link_to_a_fifo(path):
    os.mkfifo(path.with_name("target"))
    path.symlink_to(path.with_name("target"))


def link_to_a_device(path):
    path.symlink_to("/dev/zero")


def broken_link(path):
    path.symlink_to(path.with_name("nowhere"))


def link_to_itself(path):
    path.symlink_to(path)


def unix_socket(path):
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


KINDS = (
    directory,
    fifo,
    link_to_a_fifo,
    link_to_a_device,
    broken_link,
    link_to_itself,
    unix_socket,
)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def odd(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "odd.jsonl"
    request.param(path)
    return path


def open_files():
    return len(list(Path("/dev/fd").iterdir()))


def test_it_is_not_read(odd):
    before = open_files()
    with pytest.raises((NotAFileError, FileNotFoundError)):
        read(odd)
    assert open_files() == before


def test_it_is_not_listed(odd):
    odd.with_name("even.jsonl").touch()
    found = [entry.name for entry in walk(odd.parent, suffix=".jsonl", depth=2)]
    assert found == ["even.jsonl"]


def test_a_device():
    with pytest.raises(NotAFileError):
        read("/dev/zero")


@pytest.mark.slow
@pytest.mark.parametrize("agent", load_agents(), ids=lambda agent: agent.name)
def test_no_agent_lists_it(agent, odd, tmp_path):
    """The roots of all agents contain such paths."""
    home = tmp_path / "home"
    for root in agent.roots(home, {}):
        if root.suffix:
            continue
        root.mkdir(parents=True, exist_ok=True)
        odd.rename(root / odd.name)
        assert list(agent.files(root)) == []
        (root / odd.name).rename(odd)


def test_links_are_followed(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "folder").mkdir(parents=True)
    (outside / "deep").mkdir(parents=True)
    for path in (inside / "folder/a.jsonl", outside / "b.jsonl", outside / "deep/c.jsonl"):
        path.touch()
    (inside / "link").symlink_to(outside)
    (inside / "folder/b.jsonl").symlink_to(outside / "b.jsonl")
    found = [str(Path(entry.path).relative_to(inside)) for entry in _walk(inside)]
    assert sorted(found[:2]) == ["folder/a.jsonl", "folder/b.jsonl"]
    assert sorted(found[2:]) == ["link/b.jsonl", "link/deep/c.jsonl"]


def test_a_loop_of_links_ends(tmp_path):
    """Each folder has two links to its parent, so depth 40 would have 2^40 paths."""
    inside = tmp_path / "inside"
    for number in range(3):
        folder = inside / f"folder{number}"
        folder.mkdir(parents=True)
        (folder / "a.jsonl").touch()
        (folder / "up").symlink_to(tmp_path)
        (folder / "next").symlink_to(inside / f"folder{(number + 1) % 3}")
        (folder / "itself").symlink_to(folder)
        (folder / "loop").symlink_to(folder / "loop")
    found = [entry.path for entry in _walk(inside)]
    assert {str(inside / f"folder{number}/a.jsonl") for number in range(3)} <= set(found)
    assert len(found) <= 6


def test_a_link_does_not_lead_deeper_than_a_folder(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside/1/2").mkdir(parents=True)
    for folder in ("outside", "outside/1", "outside/1/2"):
        (tmp_path / folder / "a.jsonl").touch()
    (tmp_path / "inside/link").symlink_to(tmp_path / "outside")
    assert len(list(walk(tmp_path / "inside", suffix=".jsonl", depth=2))) == 2


def _walk(folder):
    return walk(folder, suffix=".jsonl", depth=40)


def test_directories_too_deep(tmp_path):
    deep = tmp_path / "1" / "2" / "3"
    deep.mkdir(parents=True)
    for folder in (tmp_path, *deep.parents[:2], deep):
        (folder / "a.jsonl").touch()
    found = [entry.path for entry in walk(tmp_path, suffix=".jsonl", depth=2)]
    assert len(found) == 3
    assert list(walk(tmp_path / "missing", suffix=".jsonl", depth=2)) == []
