"""The outputs of the daemon besides its HTTP pages: the OTLP push and the textfile."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog

from agtop_exporter.ledger import Ledger
from agtop_exporter.model import Snapshot
from agtop_exporter.push import Pusher
from agtop_exporter.push.delivery import Delivery
from agtop_exporter.push.options import push_options, secrets, switched_off
from agtop_exporter.settings import Settings
from agtop_exporter.telemetry import Telemetry
from agtop_exporter.textfile import TextfileWriter

log = structlog.get_logger()


class Outlet(Protocol):
    """An output that receives every snapshot of the daemon."""

    def publish(self, snapshot: Snapshot) -> None:
        """Accept the snapshot of a refresh, without waiting for a receiver."""

    def save_state(self, ledger: Ledger) -> None:
        """Write the state that has changed since the last call of this method to the ledger."""

    def stop(self) -> None:
        """Deliver the last snapshot, within a few seconds, and stop."""


def make_outlets(
    settings: Settings,
    environment: Mapping[str, str],
    *,
    metadata: Mapping[str, bytes],
    uid: int,
    telemetry: Telemetry,
) -> list[Outlet]:
    """Return the outputs that the settings enable.

    `metadata` is the metadata of the ledger, and `uid` is the id of this process's user.

    Raises:
        SettingsError: An `OTEL_*` variable cannot be used.

    """
    outlets: list[Outlet] = []
    if settings.otlp:
        forbidden = switched_off(environment)
        if forbidden:
            log.warning("otlp is off", variable=forbidden)
        else:
            outlets.append(
                _pusher(settings, environment, metadata=metadata, uid=uid, telemetry=telemetry)
            )
    if settings.textfile:
        path = Path(settings.textfile).expanduser()
        interval = settings.textfile_interval
        labels = settings.labels_of_textfile
        outlets.append(TextfileWriter(path, interval_seconds=interval, labels=labels))
    return outlets


def _pusher(
    settings: Settings,
    environment: Mapping[str, str],
    *,
    metadata: Mapping[str, bytes],
    uid: int,
    telemetry: Telemetry,
) -> Outlet:
    options = push_options(environment)
    # OpenTelemetry takes 0.15 s and 12 MB to import, so only a daemon that pushes imports it.
    from agtop_exporter.push.resource import resource  # noqa: PLC0415
    from agtop_exporter.push.sender import OtlpSender  # noqa: PLC0415

    sender = OtlpSender(
        options,
        resource(uid, homes=settings.home),
        genai=settings.otlp_genai,
        secrets=secrets(environment),
    )
    log.info(
        "otlp push",
        endpoint=options.endpoint,
        protocol=options.protocol,
        interval=options.interval_seconds,
        temporality="delta" if options.delta else "cumulative",
    )
    return Pusher(Delivery(sender, options, metadata=metadata, telemetry=telemetry))
