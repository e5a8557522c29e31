"""The examples in deploy/ are valid for their programs, and name existing metrics and files."""

import re
import subprocess

import pytest
import yaml
from programs import find_program
from rule_files import ROOT

from agtop_exporter.settings import PREFIX, Settings, load_settings

pytestmark = pytest.mark.integration

DEPLOY = ROOT / "deploy"
OTHERS = ("migration.md",)  # names variables of another program, which its own test knows
FILES = [
    path
    for path in DEPLOY.rglob("*")
    if path.is_file() and path.suffix not in (".png", ".pyc") and path.name not in OTHERS
]
SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prometheus.yml", "fleet.yml", "laptop.yml"])
def test_prometheus_takes_its_configuration(name):
    agent = ("--agent",) if "agent mode" in (DEPLOY / "prometheus" / name).read_text() else ()
    command = [find_program("promtool"), "check", "config", *agent, DEPLOY / "prometheus" / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_variable_is_a_setting(path):
    assert set(re.findall(r"\bAGTOP_[A-Z_]+\b", path.read_text())) <= SETTINGS


def environment_of(part):
    """Return the environment of a container of Compose or Kubernetes."""
    given = part.get("environment") or {item["name"]: item["value"] for item in part["env"]}
    assert all(isinstance(value, str) for value in given.values())
    return given


@pytest.mark.slow
def test_containers_are_started_with_valid_settings():
    compose = yaml.safe_load((DEPLOY / "docker" / "compose.yml").read_text())
    pod = yaml.safe_load((DEPLOY / "kubernetes" / "sidecar.yml").read_text())
    containers = {item["name"]: item for item in pod["spec"]["containers"]}
    for part in (compose["services"]["agtop-exporter"], containers["agtop-exporter"]):
        assert load_settings({}, environment_of(part)).home


def test_containers_do_not_mount_what_holds_credentials():
    compose = yaml.safe_load((DEPLOY / "docker" / "compose.yml").read_text())
    mounts = compose["services"]["agtop-exporter"]["volumes"]
    homes = [mount for mount in mounts if mount["source"].startswith("${HOME}")]
    assert homes
    for mount in homes:
        (place,) = re.fullmatch(r"\$\{HOME\}/(\.\w+/\w+)", mount["source"]).groups()
        assert mount["target"] == f"/agents/{place}"
        assert mount["read_only"] is True
    # Docker would create a missing directory as root, and the agent could not write to it.
    assert [mount["bind"] for mount in mounts] == [{"create_host_path": False}] * len(mounts)


def test_a_pod_is_one_user_and_one_process_namespace():
    spec = yaml.safe_load((DEPLOY / "kubernetes" / "sidecar.yml").read_text())["spec"]
    assert spec["shareProcessNamespace"]
    assert not spec.get("hostPID")
    for container in spec["containers"]:
        context = container["securityContext"]
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["allowPrivilegeEscalation"] is False
        assert "runAsUser" not in context  # the pod's


def test_the_collector_drops_what_the_pages_call_sessions():
    text = (DEPLOY / "collector" / "config.yaml").read_text()
    (pattern,) = re.findall(r'IsMatch\(name, "(.+)"\)', yaml.safe_load(text) and text)
    assert re.match(pattern.replace("\\\\", "\\"), "agtop.session.tokens")
    assert not re.match(pattern.replace("\\\\", "\\"), "agtop.sessions")


@pytest.mark.parametrize("path", [*DEPLOY.rglob("Dockerfile"), *DEPLOY.rglob("compose.yml")])
def test_foreign_images_are_named_by_their_digest(path):
    """A tag can be moved to another image."""
    images = re.findall(r"^(?:FROM| +image:) +(\S+)", path.read_text(), re.MULTILINE)
    assert all(re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", image) for image in images)
    assert images or "build:" in path.read_text()
