"""Creates the listening socket, and runs the HTTP server in a thread."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

from agtop_exporter.model import AgtopError

GRACE_SECONDS = 1  # time limit of unfinished responses when the server stops
STOP_SECONDS = 2.0  # time limit for the end of the server's thread


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()  # clients that do not read their responses


@contextmanager
def serve(app: ASGIApp, host: str, *, port: int) -> Iterator[int]:
    """Serve `app` in a separate thread until the context ends; yield the port number.

    Port 0 selects a free port. The socket already listens when the context begins.

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
    """Return a socket that listens on `host` and `port`.

    Raises:
        AgtopError: The address cannot be bound.

    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if error.errno == errno.EADDRINUSE:
            message = f"{where} is in use; select another port with --listen-address"
            raise AgtopError(message) from error
        reason = str(error.strerror or error).partition(" (while")[0]  # Python appends the address
        raise AgtopError(f"cannot listen on {where}: {reason}") from error
    # Connections inherit this option. asyncio sets it only if the socket has a protocol number.
    # Without it, a response waits 40 ms until the client acknowledges the headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
