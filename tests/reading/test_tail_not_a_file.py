"""Only regular files are opened: nothing else is followed, and nothing waits for a writer."""

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


def link(path):
    target = path.with_name("target")
    target.write_bytes(b"secret\n")
    path.symlink_to(target)


def broken_link(path):
    path.symlink_to(path.with_name("nowhere"))


def link_to_itself(path):
    path.symlink_to(path)


def unix_socket(path):
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


KINDS = (directory, fifo, link, broken_link, link_to_itself, unix_socket)


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
    with pytest.raises(NotAFileError):
        read(odd)
    assert open_files() == before


def test_it_is_not_listed(odd):
    odd.with_name("even.jsonl").touch()
    found = [entry.name for entry in walk(odd.parent, suffix=".jsonl", depth=2)]
    assert found == ["even.jsonl"]


def test_a_device():
    with pytest.raises(NotAFileError):
        read("/dev/zero")


@pytest.mark.parametrize("agent", load_agents(), ids=lambda agent: agent.name)
def test_no_agent_lists_it(agent, odd, tmp_path):
    """Every agent's root may be full of them."""
    home = tmp_path / "home"
    for root in agent.roots(home, {}):
        if root.suffix:
            continue
        root.mkdir(parents=True, exist_ok=True)
        odd.rename(root / odd.name)
        assert list(agent.files(root)) == []
        (root / odd.name).rename(odd)


def test_no_directory_link_is_followed(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jsonl").touch()
    (inside / "link").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    assert list(walk(inside, suffix=".jsonl", depth=9)) == []


def test_directories_too_deep(tmp_path):
    deep = tmp_path / "1" / "2" / "3"
    deep.mkdir(parents=True)
    for folder in (tmp_path, *deep.parents[:2], deep):
        (folder / "a.jsonl").touch()
    found = [entry.path for entry in walk(tmp_path, suffix=".jsonl", depth=2)]
    assert len(found) == 3
    assert list(walk(tmp_path / "missing", suffix=".jsonl", depth=2)) == []
