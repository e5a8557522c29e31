"""Runs the HTTP server in a thread, and limits its connections.

uvicorn reads the requests. This module accepts the connections itself, because the server of
asyncio lacks three things: it does not limit the number of connections, it does not replace its
first TLS context, and it logs thousands of errors when the process has no free file descriptors.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any

import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from agtop_exporter.server.listen import close
from agtop_exporter.server.web import Protection

HANDSHAKE_SECONDS = 10.0
REQUEST_SECONDS = 60.0  # from the previous response, or the connection, to the end of a response
KEEP_ALIVE_SECONDS = 5
HEADER_BYTES_MAX = 16_384
RETRY_SECONDS = 1.0  # after the system had no file descriptors left
GRACE_SECONDS = 1  # time limit of unfinished responses when the server stops
STOP_SECONDS = 2.0  # time limit for the end of the server's thread
LOG_SECONDS = 60.0  # between two messages about refused connections

log = structlog.get_logger()


@contextmanager
def serve(
    app: ASGIApp,
    listeners: Sequence[socket.socket],
    *,
    protection: Protection,
    connections_max: int,
) -> Iterator[None]:
    """Serve `app` in a separate thread until the context ends, then close the `listeners`.

    `protection` has the TLS context of new connections. If there are more than `connections_max`
    connections, the oldest connection that waits for a request is closed.
    """
    server = _Server(app, listeners, protection, connections_max)
    thread = Thread(target=server.run, name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        close(listeners)


class _Server(uvicorn.Server):
    def __init__(
        self,
        app: ASGIApp,
        listeners: Sequence[socket.socket],
        protection: Protection,
        connections_max: int,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",  # a message for each bad request would fill the log
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._listeners = listeners
        self._protection = protection
        self._connections_max = connections_max
        self._accepting: list[asyncio.Task[None]] = []
        self._open: dict[asyncio.Task[None], _Connection] = {}  # the oldest first
        self._logged: dict[str, float] = {}

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections."""
        del sockets
        asyncio.get_running_loop().set_exception_handler(self._on_error)
        await super().startup(sockets=[])
        self._accepting = [asyncio.create_task(self._accept(one)) for one in self._listeners]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more connections, and end those that exist."""
        for task in self._accepting:
            task.cancel()
        await super().shutdown(sockets)
        for task in tuple(self._open):
            task.cancel()  # clients that do not read their responses
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
                    self._log("cannot accept connections", reason=error.strerror)
                    await asyncio.sleep(RETRY_SECONDS)
                continue
            if len(self._open) < self._connections_max or self._has_closed_one():
                connection = _Connection(self)
                task = loop.create_task(self._attend(client, connection))
                self._open[task] = connection
                task.add_done_callback(lambda ended: self._open.pop(ended, None))
            else:
                client.close()
                self._log("connection refused", reason="too many connections")
            await asyncio.sleep(0)  # the new connection begins

    def _has_closed_one(self) -> bool:
        """Close the oldest connection that waits for a request. Return whether there was one."""
        for task, connection in self._open.items():
            if connection.is_idle:
                del self._open[task]
                task.cancel()
                self._log("idle connection closed", reason="too many connections")
                return True
        return False

    async def _attend(self, client: socket.socket, connection: "_Connection") -> None:
        """Serve a connection to its end."""
        tls = self._protection.tls
        limit = HANDSHAKE_SECONDS if tls else None
        with contextlib.suppress(OSError):  # TLS errors and time limits are OSErrors
            try:
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: connection, client, ssl=tls, ssl_handshake_timeout=limit
                )
                await connection.ended()
            finally:
                connection.abort()

    def is_allowed(self, certificate: Any) -> bool:  # noqa: ANN401 - a dictionary of ssl
        """Return whether a client with this certificate may send requests."""
        allowed = self._protection.names
        names = {name for _, name in (certificate or {}).get("subjectAltName", ())}
        return not (allowed and names.isdisjoint(allowed))

    def _on_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._log("connection failed", reason=context["message"], error=type(error).__name__)

    def _log(self, event: str, **fields: object) -> None:
        """Log a warning, at most once in LOG_SECONDS."""
        now = asyncio.get_running_loop().time()
        if now - self._logged.get(event, -LOG_SECONDS) >= LOG_SECONDS:
            self._logged[event] = now
            log.warning(event, **fields)


class _Connection(HttpToolsProtocol):
    """A connection of uvicorn with limits for the time and the headers of each request."""

    def __init__(self, server: _Server) -> None:
        super().__init__(server.config, server.server_state, {})
        self._server = server
        self._ended = asyncio.Event()
        self._began = False
        self._is_in_headers = False
        self._header_bytes = 0  # received without the end of the headers
        self._limit: asyncio.Timeout | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no response is being made or sent."""
        if not self._began or self.cycle is None:
            return True
        return self.cycle.response_complete and not self.transport.get_write_buffer_size()

    async def ended(self) -> None:
        """Wait for the end of the connection.

        Raises TimeoutError if a request and its response take longer than REQUEST_SECONDS.
        """
        async with asyncio.timeout(REQUEST_SECONDS) as self._limit:
            await self._ended.wait()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._began:
            self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in the base class
        """Begin to read requests, if the client may send them."""
        super().connection_made(transport)
        self._began = True
        if not self._server.is_allowed(transport.get_extra_info("peercert")):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request. Refuse headers that are too long."""
        super().data_received(data)
        if self._is_in_headers and not self.transport.is_closing():
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES_MAX:
                self.send_400_response("The headers of the request are too long.")

    def on_message_begin(self) -> None:
        """Note the beginning of the headers."""
        super().on_message_begin()
        self._is_in_headers, self._header_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Note the end of the headers, and begin to respond."""
        self._is_in_headers = False
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end of the connection."""
        super().connection_lost(exc)
        self._ended.set()

    def on_response_complete(self) -> None:
        """Begin the time limit of the next request."""
        if self._limit:
            loop = asyncio.get_running_loop()
            self._limit.reschedule(loop.time() + REQUEST_SECONDS)
        super().on_response_complete()
