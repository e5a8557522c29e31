"""Provides the HTTP session with which OpenTelemetry's exporter sends requests.

The exporter does not follow a redirect, but counts the redirect as success. The exporter also
ignores a partial success, in which the receiver rejects some data points. Therefore this session
raises an exception for a redirect, and stores the outcome of the last response.
"""

import contextlib
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from requests.auth import AuthBase, HTTPBasicAuth
from requests.utils import get_auth_from_url

from agtop_exporter.loopback import is_loopback
from agtop_exporter.push.delivery import Outcome


class OtlpSession(requests.Session):
    """A session that sends only configured credentials, and uses no proxy to reach this machine.

    The session reads the environment variables for proxies and certificates, but not `~/.netrc`.
    `outcome` is the outcome of the last request since the last call of `begin`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.auth = _ConfiguredCredentials()
        self.begin(0.0)

    def begin(self, time: float) -> None:
        """Reset `outcome` before a push at `time` (unix seconds)."""
        self.outcome = Outcome()
        self._time = time

    def merge_environment_settings(self, url: Any, *arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - as there
        """Return the settings of a request to `url`, without a proxy for URLs on this machine.

        `verify` of the session is the file in `OTEL_EXPORTER_OTLP_CERTIFICATE`, or True. The file
        takes precedence over `REQUESTS_CA_BUNDLE`, which requests would prefer.
        """
        settings = super().merge_environment_settings(url, *arguments)
        if isinstance(self.verify, str):
            settings["verify"] = self.verify
        if is_loopback(urlsplit(url).hostname or ""):
            settings["proxies"] = {}
        return settings

    def request(self, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - as there
        """Send a request and store its outcome. Raises InvalidURL if the response is a redirect."""
        try:
            response = super().request(*args, **options)
        except requests.RequestException as error:
            self.outcome = Outcome(failure=type(error).__name__)
            raise
        self.outcome = Outcome(
            failure="" if response.ok else f"HTTP {response.status_code}",
            retry_after_seconds=retry_after_seconds(response, self._time),
            rejected_points=self.outcome.rejected_points + _rejected_points(response),
        )
        if 300 <= response.status_code < 400:  # noqa: PLR2004 - HTTP
            failure = f"HTTP {response.status_code}, a redirect"
            self.outcome = Outcome(failure=failure)
            raise requests.exceptions.InvalidURL(failure)
        return response


class _ConfiguredCredentials(AuthBase):
    """Adds the user and password in the endpoint's URL to a request, if the URL has them.

    A session without an `auth` object would read `~/.netrc`. It would replace the configured
    `Authorization` header by the credentials in `~/.netrc`.
    """

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request with the credentials in its URL, if the URL has them."""
        user, password = get_auth_from_url(request.url or "")
        return HTTPBasicAuth(user, password)(request) if user or password else request


def retry_after_seconds(response: requests.Response, now: float) -> float:
    """Return the pause that the `Retry-After` header (RFC 9110, 10.2.3) requests; 0 if none.

    If the header contains a date, the pause is the time from the response's `Date` header to this
    date. `Date` is preferred to the local time, because the clock of the receiver may be wrong.
    Without `Date`, the pause is the time from `now` (unix seconds) to the date in the header.
    """
    text = response.headers.get("Retry-After", "0").strip()
    with contextlib.suppress(ValueError):
        return max(0.0, float(text))
    until, date = _unix_seconds(text), _unix_seconds(response.headers.get("Date", ""))
    return 0.0 if until is None else max(0.0, until - (now if date is None else date))


def _unix_seconds(date: str) -> float | None:
    """Return an HTTP date in unix seconds; None if the date is invalid."""
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
        return parsedate_to_datetime(date).timestamp()
    return None


def _rejected_points(response: requests.Response) -> int:
    """Return the number of data points that the receiver rejected from an accepted request."""
    if not response.ok or "protobuf" not in response.headers.get("Content-Type", ""):
        return 0
    with contextlib.suppress(DecodeError):
        answer = ExportMetricsServiceResponse.FromString(response.content)
        return int(answer.partial_success.rejected_data_points)
    return 0
