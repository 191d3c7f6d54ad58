"""Which TCP ports on 127.0.0.1 the local stack takes.
Lives here: choosing and probing. Not here: remembering them (stack)."""

import socket
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import psutil

from worldtick.contracts.errors import Unavailable

HOST = "127.0.0.1"
FIRST, COUNT = 20_000, 10_000  # below the range that outgoing connections draw from
PROBES_MAX = 200


class PortTaken(Unavailable):
    """Somebody else listens there: choose another port, or end it."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"port {port} is taken by {owner_of(port)}: end it, or give another one "
            "(`worldtick up --kafka-port`, `--postgres-port`)"
        )
        self.port = port


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def is_open(port: int, timeout_s: float = 0.5) -> bool:
    """Whether somebody answers on this port."""
    try:
        with socket.create_connection((HOST, port), timeout_s):
            return True
    except OSError:
        return False


def free_ports(home: Path) -> Iterator[int]:
    """Free ports, the same ones for the same directory as long as nobody takes them."""
    start = crc32(str(home).encode())
    for step in range(PROBES_MAX):
        port = FIRST + (start + step) % COUNT
        if is_free(port):
            yield port


def owner_of(port: int) -> str:
    """Who listens on a port, as far as the system tells: `name (pid 123)` or `another process`."""
    try:
        connections = psutil.net_connections("tcp")
    except (psutil.AccessDenied, OSError):
        return "another process"
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        if listens and connection.pid is not None:
            try:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return "another process"
