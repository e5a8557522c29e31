"""The listening socket and the thread that serves it."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

from agtop_exporter.model import AgtopError

GRACE_SECONDS = 1  # for responses under way when the server stops
STOP_SECONDS = 2.0


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()  # a client that does not read its response


@contextmanager
def serve(app: ASGIApp, host: str, *, port: int) -> Iterator[int]:
    """Serve `app` from a thread of its own until the context ends; yield the port, also for 0.

    The socket listens before the context begins, so no early request is refused.

    Raises:
        AgtopError: The address cannot be bound.

    """
    listener = listen(host, port)
    server = _Server(
        uvicorn.Config(
            app,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    thread = Thread(target=server.run, args=([listener],), name="http", daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(STOP_SECONDS)
        listener.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the address; raise `AgtopError` if that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if error.errno == errno.EADDRINUSE:
            message = f"{where} is in use: is another agtop-exporter running? --listen-address"
            raise AgtopError(f"{message} takes another port") from error
        reason = str(error.strerror or error).partition(" (while")[0]  # Python adds the address
        raise AgtopError(f"cannot listen on {where}: {reason}") from error
    # Its connections inherit it; asyncio sets it only on sockets that name their protocol, and
    # without it a response waits 40 ms for the client to acknowledge its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
