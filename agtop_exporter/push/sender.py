"""Sends metrics over OTLP, by HTTP or gRPC, with the exporter library of OpenTelemetry.

The library retries a failed request until the timeout. The result of an export determines whether
the push was delivered.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.resources import Resource

from agtop_exporter.loopback import is_loopback
from agtop_exporter.metrics import Exposition
from agtop_exporter.push.delivery import Outcome, StartOf
from agtop_exporter.push.library_log import LibraryLog
from agtop_exporter.push.options import PushOptions
from agtop_exporter.push.transport import OtlpSession
from agtop_exporter.render import otlp

POINTS_PER_REQUEST = 15_000
"""Maximum number of data points in a request, about 2 MB.

By default, gRPC receivers reject requests of more than 4 MB.
"""

NOT_DELIVERED = "not delivered"  # the reason is in the library's log


class OtlpSender:
    """Sends expositions to the receiver that the options and the `OTEL_*` variables select."""

    def __init__(
        self,
        options: PushOptions,
        resource: Resource,
        *,
        genai: bool = False,
        secrets: Iterable[str] = (),
    ) -> None:
        """Create OpenTelemetry's exporter without connecting to the receiver.

        `secrets` are removed from log messages. If `genai` is true, each push also contains the
        metric of the GenAI semantic conventions.
        """
        self._library_log = LibraryLog(secrets)
        self._resource = resource
        self._genai = genai
        self._session: OtlpSession | None = None
        if options.protocol == "grpc":
            self._exporter = _grpc_exporter(options)
        else:
            self._session = OtlpSession()
            self._exporter = _http_exporter(options, self._session)

    def send(
        self, exposition: Exposition, *, time: float, start_of: StartOf, delta: bool
    ) -> Outcome:
        """Deliver `exposition` with retries within the timeout, and return the outcome.

        `time` is the timestamp of the values in unix seconds. `start_of` returns the start time of
        a counter series. If `delta` is true, the counters in `exposition` are increases instead of
        totals.
        """
        data = otlp.render(
            exposition,
            self._resource,
            time=time,
            start_of=start_of,
            delta=delta,
            genai=self._genai,
        )
        if self._session is not None:
            self._session.begin(time)
        result = self._exporter.export(data)
        last = self._session.outcome if self._session is not None else Outcome()
        if result is MetricExportResult.SUCCESS:
            self._library_log.delivered()
            return Outcome(rejected_points=last.rejected_points)
        return last if last.failure else Outcome(failure=NOT_DELIVERED)

    def close(self) -> None:
        """Cancel the delivery in progress, and reject later deliveries."""
        self._exporter.shutdown()


def _http_exporter(options: PushOptions, session: OtlpSession) -> MetricExporter:
    return OTLPMetricExporter(
        timeout=options.timeout_seconds,
        compression=Compression.Gzip if options.compressed else None,
        session=session,
        max_export_batch_size=POINTS_PER_REQUEST,
    )


def _grpc_exporter(options: PushOptions) -> MetricExporter:
    from grpc import Compression as GrpcCompression  # noqa: PLC0415 - 16 MB of memory
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter as GrpcExporter,
    )

    local = is_loopback(urlsplit(options.endpoint).hostname or "")
    channel_options: Any = (("grpc.enable_http_proxy", 0),) if local else None
    return GrpcExporter(
        timeout=options.timeout_seconds,
        compression=GrpcCompression.Gzip if options.compressed else None,
        max_export_batch_size=POINTS_PER_REQUEST,
        channel_options=channel_options,
    )
