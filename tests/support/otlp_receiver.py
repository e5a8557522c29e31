"""OTLP receivers on loopback that give configured answers and keep the requests."""

import gzip
import threading
from collections import deque
from concurrent import futures
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

PATIENCE_SECONDS = 30
PATH = "/v1/metrics"
EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"


class Receiver:
    """`answers` are (status, headers) for the next requests, and 200 after these.

    A status of None keeps the client waiting until the receiver is closed.
    """

    def __init__(self):
        self.answers = deque()
        self.requests = []
        self.accepted = []  # those answered with 200
        self.headers = []  # of each request, their names in lower case
        self.rejected_points = 0
        self.closing = threading.Event()
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.endpoint = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _handler(receiver):  # noqa: N805 - the handler is `self` inside
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                status, headers = receiver.take(
                    self.path, {name.lower(): value for name, value in self.headers.items()}, body
                )
                if status is None:
                    receiver.closing.wait(PATIENCE_SECONDS)
                    self.close_connection = True
                    return
                answer = ExportMetricsServiceResponse()
                answer.partial_success.rejected_data_points = receiver.rejected_points
                page = answer.SerializeToString() if status == 200 else b""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)

            def log_message(self, *arguments):
                """Log nothing."""

        return Handler

    def take(self, path, headers, body):
        """Store a request; return the answer."""
        with self._arrived:
            status, more = self.answers.popleft() if self.answers else (200, {})
            if path != PATH:
                status, more = 404, {}
            request = ExportMetricsServiceRequest.FromString(body)
            self.requests.append(request)
            self.headers.append(headers)
            if status == 200:
                self.accepted.append(request)
            self._arrived.notify_all()
        return status, more

    def until(self, condition):
        """Wait until a condition of the receiver holds."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: condition(self), PATIENCE_SECONDS)

    def close(self):
        """Stop, and release waiting clients."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiver():
    running = Receiver()
    try:
        yield running
    finally:
        running.close()


class GrpcReceiver:
    """A gRPC server on loopback that answers with a status, or accepts requests."""

    def __init__(self):
        self.status = None
        self.accepted = []
        self.metadata = {}
        self._arrived = threading.Condition()
        self._server = grpc.server(futures.ThreadPoolExecutor(1))
        method = grpc.unary_unary_rpc_method_handler(
            self._export,
            request_deserializer=ExportMetricsServiceRequest.FromString,
            response_serializer=ExportMetricsServiceResponse.SerializeToString,
        )
        service, name = EXPORT[1:].split("/")
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(service, {name: method})]
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(None).wait()

    def _export(self, request, context):
        self.metadata = dict(context.invocation_metadata())
        if self.status:
            context.abort(self.status, "no")
        with self._arrived:
            self.accepted.append(request)
            self._arrived.notify_all()
        return ExportMetricsServiceResponse()

    def until(self, condition):
        """Wait until a condition of the receiver holds."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: condition(self), PATIENCE_SECONDS)


def metrics(request):
    """Return the metrics of a request by name."""
    return {
        metric.name: metric
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def points(metric):
    return getattr(metric, metric.WhichOneof("data")).data_points


def number(point):
    return point.as_int if point.WhichOneof("value") == "as_int" else point.as_double


def attributes(holder):
    return {pair.key: pair.value.string_value for pair in holder.attributes}


def resource_of(request):
    return attributes(request.resource_metrics[0].resource)


def value_of(request, name, **labels):
    """Return the sum of the points of a metric with these labels; None without any."""
    wanted = {(key.replace("_", "."), value) for key, value in labels.items()}
    metric = metrics(request).get(name)
    found = [
        number(point)
        for point in (points(metric) if metric else ())
        if wanted <= set(attributes(point).items())
    ]
    return sum(found) if found else None
