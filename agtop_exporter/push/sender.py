"""OTLP over HTTP or gRPC: the exporters of OpenTelemetry, given finished metrics.

They retry what can be retried within the timeout, but tell nobody how a push ended, log what
should not be logged (headers that they cannot parse), and take a redirect for a success. So they
are kept quiet here, and watched at the one place that all of them pass.
"""

import contextlib
import logging
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import requests
from google.protobuf.message import DecodeError
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.resources import Resource
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import get_auth_from_url

from agtop_exporter.loopback import is_loopback
from agtop_exporter.metrics import Exposition
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
        self._watch.begin(time)
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

    local = is_loopback(urlsplit(options.endpoint).hostname or "")
    channel_options: Any = (("grpc.enable_http_proxy", 0),) if local else None
    return GrpcExporter(
        timeout=options.timeout_seconds,
        compression=GrpcCompression.Gzip if options.compressed else None,
        max_export_batch_size=POINTS_PER_REQUEST,
        channel_options=channel_options,
    )


class _ConfiguredCredentials(AuthBase):
    """The user and password in the URL of the endpoint, where there are any.

    A session without `auth` looks into `~/.netrc`, and what it finds there takes the place of the
    configured `Authorization` header.
    """

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Complete a request."""
        user, password = get_auth_from_url(request.url or "")
        return HTTPBasicAuth(user, password)(request) if user or password else request


class _Session(requests.Session):
    """Remembers how the last request of a push ended.

    Of the environment it takes the proxies and the certificates, but no credentials, and no proxy
    to a receiver on this machine.
    """

    def __init__(self) -> None:
        super().__init__()
        self.auth = _ConfiguredCredentials()
        self.begin(0.0)

    def begin(self, time: float) -> None:
        """Begin a push, of what was true at `time` in unix seconds."""
        self.outcome = Outcome()
        self._time = time

    def merge_environment_settings(self, url: Any, *arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - as there
        """Return the settings of one request."""
        settings = super().merge_environment_settings(url, *arguments)
        if is_loopback(urlsplit(url).hostname or ""):
            settings["proxies"] = {}
        return settings

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
            retry_after_seconds=_retry_after(response, self._time),
            rejected_points=self.outcome.rejected_points + _rejected(response),
        )
        if response.is_redirect or (300 <= response.status_code < 400):  # noqa: PLR2004 - HTTP
            failure = f"HTTP {response.status_code}, a redirect"
            self.outcome = Outcome(failure=failure)
            raise requests.exceptions.InvalidURL(failure)
        return response


def _retry_after(response: requests.Response, now: float) -> float:
    """Return the seconds that a receiver asks for, as a number or a date (RFC 9110, 10.2.3).

    A date is by the clock of the receiver, whose time the response has; else it is about `now`.
    """
    text = response.headers.get("Retry-After", "0").strip()
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    until, date = _unix_seconds(text), _unix_seconds(response.headers.get("Date", ""))
    return 0.0 if until is None else max(0.0, until - (now if date is None else date))


def _unix_seconds(date: str) -> float | None:
    """Return the time of an HTTP date; None where it is none."""
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
        return parsedate_to_datetime(date).timestamp()
    return None


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
        self.begin(0.0)
        logger = logging.getLogger("opentelemetry.exporter.otlp.proto.grpc.exporter")
        logger.setLevel(logging.ERROR)
        logger.filters.insert(0, self)

    def begin(self, _time: float) -> None:
        """Begin a push."""
        self.outcome = Outcome()

    def filter(self, record: logging.LogRecord) -> bool:
        """Take the status code out of a message, and let nothing be logged."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        for argument in arguments:
            if isinstance(argument, Enum):
                self.outcome = Outcome(failure=f"gRPC {argument.name}")
        return False
