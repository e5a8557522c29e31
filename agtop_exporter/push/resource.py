"""Creates the OpenTelemetry resource, which identifies this exporter in every push.

The resource is the same after every restart. `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME`
override its attributes. The resource has no process id. Backends convert attributes to labels, so a
process id would create new series after each restart.
"""

import platform
import socket
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid5

from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from agtop_exporter import __version__, platforms

NAMESPACE = UUID("6f0b2f6e-9a50-5c3d-8c55-6a1f1f1f7b04")  # chosen at random, must never change
MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm32", "i686": "x86"}
"""Machine name of the kernel -> `host.arch` of the semantic conventions."""


def resource(uid: int, *, homes: Sequence[str] = ()) -> Resource:
    """Return the resource of this machine and user. `homes` are the `--home` directories."""
    host = socket.gethostname()
    host_id = hashed_host_id(machine_id(MACHINE_ID_FILES) or host)
    own = {
        "service.name": "agtop-exporter",
        "service.version": __version__,
        "service.instance.id": instance_id(host_id, uid, homes=homes),
        "host.name": host,
        "host.id": str(host_id),
        "host.arch": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os.type": platform.system().lower(),
        "process.owner": platforms.user_name(uid),
        "process.runtime.name": platform.python_implementation().lower(),
    }
    return Resource(own).merge(OTELResourceDetector().detect())


def machine_id(files: Sequence[Path]) -> str:
    """Return the machine id from the first of `files` that contains one; "" if none does."""
    for file in files:
        try:
            text = file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text and text != "uninitialized":
            return text
    return ""


def hashed_host_id(machine: str) -> UUID:
    """Return a UUID derived from the machine id. The machine id is secret; see machine-id(5)."""
    return uuid5(NAMESPACE, machine)


def instance_id(host_id: UUID, uid: int, *, homes: Sequence[str] = ()) -> str:
    """Return the id of this exporter, derived from its host, user id and `--home` directories."""
    return str(uuid5(host_id, "\0".join([str(uid), *homes])))
