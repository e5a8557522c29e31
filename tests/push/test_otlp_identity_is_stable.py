"""The resource stays the same after a restart, and differs between users and machines."""

import os

import pytest

from agtop_exporter.push.resource import hashed_host_id, instance_id, machine_id, resource


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)


def test_it_is_the_same_every_time():
    assert resource(os.getuid()) == resource(os.getuid())
    assert instance_id(hashed_host_id("abc"), 1000) == instance_id(hashed_host_id("abc"), 1000)


def test_another_machine_user_or_home_is_another_instance():
    host, other = hashed_host_id("abc"), hashed_host_id("abd")
    ids = {
        instance_id(host, 1000),
        instance_id(other, 1000),
        instance_id(host, 1001),
        instance_id(host, 1000, homes=["/home/ada"]),
        instance_id(host, 1000, homes=["/home/ada", "/home/bob"]),
    }
    assert len(ids) == 5


def test_it_names_host_user_and_service_and_no_process():
    attributes = resource(os.getuid()).attributes
    assert attributes["service.name"] == "agtop-exporter"
    assert {"host.name", "host.id", "host.arch", "os.type", "service.version"} <= set(attributes)
    assert {"process.owner", "process.runtime.name"} <= set(attributes)
    assert "process.pid" not in attributes  # a restart would start new series


def test_the_user_has_the_last_word(monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=core,service.instance.id=mine")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "laptops")
    attributes = resource(0).attributes
    assert attributes["service.name"] == "laptops"
    assert attributes["service.instance.id"] == "mine"
    assert attributes["team"] == "core"


def test_the_machine_id_is_the_first_that_there_is_and_never_shown(tmp_path):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "young").write_text("uninitialized\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "good").write_text("0123456789abcdef0123456789abcdef\n")
    files = [tmp_path / name for name in ("missing", "empty", "young", "bytes", "good")]
    found = machine_id(files)
    assert found == "0123456789abcdef0123456789abcdef"
    assert machine_id(files[:-1]) == ""
    assert found not in str(hashed_host_id(found)).replace("-", "")
