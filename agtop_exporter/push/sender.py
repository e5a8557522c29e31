"""OTLP over HTTP or gRPC: the exporters of OpenTelemetry, given finished metrics.

They retry what can be retried within the timeout, but tell nobody how a push ended, log what
should not be logged (headers that they cannot parse), and take a redirect for a success. So they
are kept quiet here, and watched at the one place that all of them pass.
"""

import contextlib
import logging
from enum import Enum
from typing import Any

import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.resources import Resource

from agtop_exporter.catalogue import Exposition
from agtop_exporter.push.delivery import Outcome, StartOf
from agtop_exporter.push.options import PushOptions
from agtop_exporter.render import otlp

POINTS_PER_REQUEST = 15_000
"""Some 2 MB: a gRPC receiver refuses more than 4 by default."""

QUIET = ("opentelemetry", "urllib3")


class OtlpSender:
    """Sends expositions as the options say; the variables of OpenTelemetry say the rest."""

    def __init__(self, options: PushOptions, resource: Resource, *, genai: bool = False) -> None:
        """Prepare to send; no connection is made yet."""
        for name in QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._resource = resource
        self._genai = genai
        self._watch: _Session | _GrpcWatch
        if options.protocol == "grpc":
            self._watch = _GrpcWatch()
            self._exporter = _grpc_exporter(options)
        else:
            self._watch = _Session()
            self._exporter = _http_exporter(options, self._watch)

    def send(
        self, exposition: Exposition, *, time: float, start_of: StartOf, delta: bool
    ) -> Outcome:
        """Deliver, with retries, within the timeout."""
        data = otlp.render(
            exposition,
            self._resource,
            time=time,
            start_of=start_of,
            delta=delta,
            genai=self._genai,
        )
        self._watch.outcome = Outcome()
        result = self._exporter.export(data)
        seen = self._watch.outcome
        if result is MetricExportResult.SUCCESS:
            return Outcome(rejected_points=seen.rejected_points)
        return seen if seen.failure else Outcome(failure="not delivered")

    def close(self) -> None:
        """Give up a delivery that is under way, and take no other."""
        self._exporter.shutdown()


def _http_exporter(options: PushOptions, session: requests.Session) -> MetricExporter:
    return OTLPMetricExporter(
        timeout=options.timeout_seconds,
        compression=Compression.Gzip if options.compressed else None,
        session=session,
        max_export_batch_size=POINTS_PER_REQUEST,
    )


def _grpc_exporter(options: PushOptions) -> MetricExporter:
    from grpc import Compression as GrpcCompression  # noqa: PLC0415 - 16 MB, on request only
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter as GrpcExporter,
    )

    return GrpcExporter(
        timeout=options.timeout_seconds,
        compression=GrpcCompression.Gzip if options.compressed else None,
        max_export_batch_size=POINTS_PER_REQUEST,
    )


class _Session(requests.Session):
    """Remembers how the last request of a push ended."""

    def __init__(self) -> None:
        super().__init__()
        self.outcome = Outcome()

    def request(self, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - as there
        """Send a request, and look at the response. Raises where it is a redirect."""
        try:
            response = super().request(*args, **options)
        except requests.RequestException as error:
            self.outcome = Outcome(failure=type(error).__name__)
            raise
        failure = "" if response.ok else f"HTTP {response.status_code}"
        self.outcome = Outcome(
            failure=failure,
            retry_after_seconds=_retry_after(response),
            rejected_points=self.outcome.rejected_points + _rejected(response),
        )
        if response.is_redirect or (300 <= response.status_code < 400):  # noqa: PLR2004 - HTTP
            failure = f"HTTP {response.status_code}, a redirect"
            self.outcome = Outcome(failure=failure)
            raise requests.exceptions.InvalidURL(failure)
        return response


def _retry_after(response: requests.Response) -> float:
    """Return the seconds that a receiver asks for; a date is left to the library's own wait."""
    with contextlib.suppress(ValueError):
        return max(0.0, float(response.headers.get("Retry-After", "0")))
    return 0.0


def _rejected(response: requests.Response) -> int:
    """Return how many points a receiver took the request without."""
    if not response.ok or "protobuf" not in response.headers.get("Content-Type", ""):
        return 0
    with contextlib.suppress(DecodeError):
        answer = ExportMetricsServiceResponse.FromString(response.content)
        return int(answer.partial_success.rejected_data_points)
    return 0


class _GrpcWatch(logging.Filter):
    """Remembers the status codes that the gRPC exporter logs, which it tells in no other way.

    It comes before the exporter's own filter, which hides a failure like the last one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outcome = Outcome()
        logger = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
        logger.setLevel(logging.ERROR)
        logger.filters.insert(0, self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the status code out of a message, and let nothing be logged."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        for argument in arguments:
            if isinstance(argument, Enum):
                self.outcome = Outcome(failure=f"gRPC {argument.name}")
        return False
