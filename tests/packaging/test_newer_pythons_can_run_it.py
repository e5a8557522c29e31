"""The program starts on Python 3.14, and reports the same errors there.

Python 3.14 evaluates the annotations of a class when they are used. A field then hides a type of
the same name: `date: date` has the field as its annotation. And its `Path.exists` returns False
after every error: settings that could not be read were ignored.
"""

import ast
import errno
import os
from pathlib import Path

import pytest

import agtop_exporter
from agtop_exporter import existence

PACKAGE = Path(agtop_exporter.__file__).parent
SOURCES = {
    str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")
}
HIDE_ERRORS = {"exists", "is_file", "is_dir"}
NO_PATHS = {"entry", "e", "os.path"}  # the methods of an `os.DirEntry` raise errors


def hidden_types(source):
    """Return the names in the annotations of each class that its fields and methods hide."""
    return [
        f"{owner.name}.{name.id}"
        for owner in ast.walk(ast.parse(source))
        if isinstance(owner, ast.ClassDef)
        for annotation in annotations_in(owner)
        for name in ast.walk(annotation)
        if isinstance(name, ast.Name) and name.id in names_in(owner)
    ]


def annotations_in(owner):
    for item in owner.body:
        if isinstance(item, ast.AnnAssign):
            yield item.annotation
        elif isinstance(item, ast.FunctionDef):
            yield from (a.annotation for a in ast.walk(item.args) if getattr(a, "annotation", None))
            yield from filter(None, [item.returns])


def names_in(owner):
    """Return the names that the body of a class binds."""
    fields = {item.target.id for item in owner.body if isinstance(item, ast.AnnAssign)}
    return fields | {item.name for item in owner.body if isinstance(item, ast.FunctionDef)}


def test_no_field_hides_a_type():
    found = {name: hidden_types(source) for name, source in SOURCES.items()}
    assert {name: hidden for name, hidden in found.items() if hidden} == {}


def test_a_hidden_type_is_found():
    assert hidden_types("class A:\n    date: date\n    day: date\n") == ["A.date", "A.date"]
    assert hidden_types("class A:\n    def list(self): ...\n    def b(self) -> list: ...\n")
    assert not hidden_types("class A:\n    day: date\n    def list(self) -> dict: ...\n")


def test_no_method_of_a_path_hides_errors():
    calls = [
        f"{name}:{call.lineno}"
        for name, source in SOURCES.items()
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in HIDE_ERRORS
        and ast.unparse(call.func.value) not in NO_PATHS
    ]
    assert calls == []


@pytest.mark.parametrize("check", [existence.exists, existence.is_file, existence.is_directory])
@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENAMETOOLONG])
def test_an_error_is_no_proof_of_absence(check, code, monkeypatch):
    def stat(path):
        raise OSError(code, os.strerror(code), path)

    monkeypatch.setattr(os, "stat", stat)
    with pytest.raises(OSError, match=os.strerror(code)):
        check("/a")


def test_what_exists_is_told_apart(tmp_path):
    file, folder, dangling, loop = (tmp_path / name for name in ("a", "b", "c", "d"))
    file.touch()
    folder.mkdir()
    dangling.symlink_to("nothing")
    loop.symlink_to("d")
    paths = (file, folder, dangling, loop, file / "below", "a\0b", tmp_path / "nothing")
    checks = (existence.exists, existence.is_file, existence.is_directory)
    found = [tuple(check(path) for check in checks) for path in paths]
    assert found == [(True, True, False), (True, False, True), *[(False, False, False)] * 5]
