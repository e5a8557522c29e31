"""A server that others can reach without TLS or a password says so, and shows them less."""

import contextlib

import bcrypt
import pytest
from structlog.testing import capture_logs

from agtop_exporter.server import Endpoint, endpoint
from agtop_exporter.settings import Settings

HASH = bcrypt.hashpw(b"x", bcrypt.gensalt(4)).decode()
LOCAL = {"listen_address": ["127.0.0.1:0"]}


@contextlib.contextmanager
def opened(**settings):
    with contextlib.closing(Endpoint(Settings(**LOCAL, **settings))) as one:
        yield one


def warnings(one):
    with capture_logs() as logs:
        one.warn()
    return [entry["missing"] for entry in logs]


@pytest.mark.parametrize(
    ("settings", "is_local"),
    [
        ({}, True),
        ({"web_allowed_host": ["app.localhost"]}, True),
        ({"web_allowed_host": ["box.lan"]}, False),
        ({"web_allowed_host": ["*"]}, False),
        ({"web_external_url": "https://box.lan/agtop/"}, False),
        ({"web_external_url": "http://localhost:8080/"}, True),
    ],
)
def test_a_reverse_proxy_makes_others_read_it(settings, is_local):
    with opened(**settings) as one:
        assert one.is_local is is_local
        assert not one.is_unprotected
        assert warnings(one) == []


def test_a_network_without_protection_is_reported(monkeypatch, tmp_path):
    monkeypatch.setattr(endpoint, "only_local", lambda _listeners: False)
    path = tmp_path / "web.yml"
    path.write_text("")
    with opened(web_config_file=str(path)) as one:
        assert (one.is_unprotected, one.is_local) == (True, False)
        assert warnings(one) == ["TLS and authentication"]
        path.write_text(f"basic_auth_users: {{ada: {HASH}}}\n")
        one.reload(Settings(web_config_file=str(path)))
        assert warnings(one) == ["TLS"]


def test_the_url_has_the_prefix():
    with opened(web_external_url="https://box.lan/agtop/") as one:
        (url,) = one.urls
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/agtop/")


def test_the_warning_names_only_addresses_that_other_machines_reach():
    settings = Settings(listen_address=["0.0.0.0:0", "127.0.0.1:0"])
    with contextlib.closing(Endpoint(settings)) as one, capture_logs() as logs:
        one.warn()
        assert [entry["urls"] for entry in logs] == [one.urls[0]]
