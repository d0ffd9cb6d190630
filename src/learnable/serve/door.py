"""A port that is open before the server behind it runs, so that what is printed about it is true."""

import errno
import os
import socket

from learnable.errors import WorldError

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})  # by which this machine calls itself


def listen(host: str, port: int) -> socket.socket:
    """An open door: calls are taken from now on, and answered when the server runs.

    Raises:
        WorldError: the port is in use or not allowed, or the host is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError):
        raise WorldError(f"no such host: {host}. Leave --host out for this machine alone, or say 0.0.0.0") from None
    door = socket.socket(family, kind, protocol)
    try:
        # Else a port stays taken for a minute after its server has ended; on Windows it would let two servers share one.
        if os.name != "nt":
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
        door.listen(128)
    except OSError as error:
        door.close()
        if error.errno == errno.EADDRINUSE:
            raise WorldError(
                f"port {port} is in use: stop what is there, or choose another: --port {port + 1}"
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise WorldError(f"port {port} may not be opened by you; choose one above 1023: --port 8000") from None
        raise WorldError(f"{host}:{port} cannot be opened: {error.strerror or error}") from None
    return door
