"""A real Prometheus scrapes the daemon with TLS and a password, and a reload is obeyed."""

import signal

import bcrypt
import pytest
import yaml
from certificates import Authority
from prometheus_server import configuration, running_prometheus
from running import daemon

pytestmark = pytest.mark.integration

PASSWORD = "canary-of-a-password"  # noqa: S105 - of the test
OTHER = "canary-of-another"


def write_web_config(path, certificate, key, password):
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    tls = {"cert_file": str(certificate), "key_file": str(key), "min_version": "TLS13"}
    path.write_text(
        yaml.safe_dump({"tls_server_config": tls, "basic_auth_users": {"prometheus": hashed}})
    )
    return hashed


def prometheus_config(folder, authority, port):
    path = configuration(folder, f"localhost:{port}")
    config = yaml.safe_load(path.read_text())
    for job in config["scrape_configs"]:
        job["scheme"] = "https"
        job["tls_config"] = {"ca_file": str(authority.certificate)}
        job["basic_auth"] = {"username": "prometheus", "password": PASSWORD}
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.long
def test_prometheus_scrapes_with_tls_and_a_password(tmp_path):
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.sign("server", "DNS:localhost", "IP:127.0.0.1")
    web = tmp_path / "web.yml"
    hashed = write_web_config(web, certificate, key, PASSWORD)
    with daemon(tmp_path, "--no-state", "--web-config-file", web) as running:
        folder = tmp_path / "prometheus"
        folder.mkdir()
        config = prometheus_config(folder, authority, running.port)
        with running_prometheus(folder, config) as (server, _):
            server.until(lambda: server.now("up == 1"))
            build = server.until(lambda: server.now("agtop_build_info"))
            assert len(build) == 1
            assert server.now("agtop_listening_unprotected")[0][1] == 0
            write_web_config(web, certificate, key, OTHER)
            running.process.send_signal(signal.SIGHUP)
            server.until(lambda: server.now("up == 0"))
    log = "".join(running.log)
    assert "settings reloaded" in log
    for secret in (PASSWORD, OTHER, hashed):
        assert secret not in log
