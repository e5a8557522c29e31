"""Creates the sockets on which the server listens."""

import errno
import socket
from collections.abc import Iterable, Mapping, Sequence

from agtop_exporter.loopback import is_loopback
from agtop_exporter.model import AgtopError

BACKLOG = 128
FIRST_DESCRIPTOR = 3  # of the sockets that a service manager passes
EVERY_ADDRESS = "::"


def listen(addresses: Iterable[tuple[str, int]]) -> list[socket.socket]:
    """Return a listening socket for each pair of a host and a port. Port 0 selects a free port.

    The host `::` also accepts connections by IPv4.

    Raises:
        AgtopError: An address cannot be bound.

    """
    listeners: list[socket.socket] = []
    try:
        for host, port in addresses:
            listeners.append(_listen(host, port))
    except AgtopError:
        close(listeners)
        raise
    return listeners


def inherited(environment: Mapping[str, str], *, pid: int) -> list[socket.socket]:
    """Return the listening sockets that a service manager has passed to this process, `pid`.

    The variables are LISTEN_PID and LISTEN_FDS, as in sd_listen_fds(3).

    Raises:
        AgtopError: A descriptor is not a listening stream socket.

    """
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(pid) or not count.isdecimal():
        return []
    return [_inherited(FIRST_DESCRIPTOR + number) for number in range(int(count))]


def _inherited(descriptor: int) -> socket.socket:
    try:
        listener = socket.socket(fileno=descriptor)
        listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise AgtopError(f"socket {descriptor} of LISTEN_FDS: {error.strerror}") from error
    if not listens or listener.type != socket.SOCK_STREAM:
        listener.close()
        raise AgtopError(f"socket {descriptor} of LISTEN_FDS is not a listening stream socket")
    listener.set_inheritable(False)
    return _prepared(listener)


def close(listeners: Iterable[socket.socket]) -> None:
    """Close sockets."""
    for listener in listeners:
        listener.close()


def address_of(listener: socket.socket) -> str:
    """Return the address of a listening socket: `127.0.0.1:10041`, `[::]:10041` or a path."""
    name = listener.getsockname()
    return joined(*name[:2]) if isinstance(name, tuple) else str(name)


def joined(host: str, port: int) -> str:
    """Return a host and a port as one text. An IPv6 address gets brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def hosts_of(listeners: Sequence[socket.socket]) -> list[str]:
    """Return the addresses of the sockets without ports. Unix domain sockets have none."""
    names = (listener.getsockname() for listener in listeners)
    return [name[0] for name in names if isinstance(name, tuple)]


def only_local(listeners: Sequence[socket.socket]) -> bool:
    """Return whether no other machine can connect to the sockets."""
    return all(map(is_loopback, hosts_of(listeners)))


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == EVERY_ADDRESS and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server(
            (host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both
        )
    except OSError as error:
        where = joined(host, port)
        if error.errno == errno.EADDRINUSE:
            message = f"{where} is in use; select another port with --listen-address"
            raise AgtopError(message) from error
        reason = str(error.strerror or error).partition(" (while")[0]  # Python appends the address
        raise AgtopError(f"cannot listen on {where}: {reason}") from error
    return _prepared(listener)


def _prepared(listener: socket.socket) -> socket.socket:
    """Return the socket, prepared for asyncio and for short responses."""
    listener.setblocking(False)  # noqa: FBT003 - its only argument
    if listener.family in {socket.AF_INET, socket.AF_INET6}:
        # Connections inherit this option. asyncio sets it only if the socket has a protocol number.
        # Without it, a response waits 40 ms until the client acknowledges the headers.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
