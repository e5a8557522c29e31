"""Python 3.14 evaluates the annotations of a class when they are used.

A field then hides a type of the same name: `date: date` has the field as its annotation. The
program could not start on Python 3.14 because of such a field.
"""

import ast
from pathlib import Path

import agtop_exporter

PACKAGE = Path(agtop_exporter.__file__).parent


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
    found = {
        str(path.relative_to(PACKAGE)): hidden
        for path in PACKAGE.rglob("*.py")
        if (hidden := hidden_types(path.read_text("utf-8")))
    }
    assert found == {}


def test_a_hidden_type_is_found():
    assert hidden_types("class A:\n    date: date\n    day: date\n") == ["A.date", "A.date"]
    assert hidden_types("class A:\n    def list(self): ...\n    def b(self) -> list: ...\n")
    assert not hidden_types("class A:\n    day: date\n    def list(self) -> dict: ...\n")
