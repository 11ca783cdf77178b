"""Serving an application on an address, as one task among others of a process.

uvicorn is made for having the process to itself: it takes the signals, ends the process when a port is in use, and
waits for slow peers without end. Here the process's own task group decides when to stop, an address that cannot be
had is one line, and connections that make no progress are ended (`connection`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import resource
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn

from pulltrace.errors import UserError
from pulltrace.log_limiter import LogLimiter
from pulltrace.server.http.asgi import Application
from pulltrace.server.http.protocol import Connection

GRACE_SECONDS = 5
"""How long answers that are on their way may take once the server stops."""

MAX_CONNECTIONS = 1024
"""So many requests may be answered at once; more are told to come again. There may be twice as many connections (live streams do
not count); of more than that, the one whose request is longest in coming makes way."""

ACCEPTED_AT_ONCE = 64
"""asyncio takes so many new connections before it looks at the others. Two thousand at once (all viewers come back) would
be over the limit of connections before the first of them had its answer."""

WAITING_CONNECTIONS = 4096
"""So many wait in the kernel to be taken."""

UNACKNOWLEDGED_SECONDS = 15
"""A peer that acknowledges nothing for so long is gone, and the kernel ends the connection. A viewer is sent a ping every 12 s
at least, so that one that vanished is forgotten within 30 s."""

UNSENT_BYTES = 128 * 1024
"""So much of what is written waits in the kernel: a slow viewer's backlog stays short, and what it gets is new."""


class AddressError(UserError):
    """An address that cannot be listened on; the message is one line for the person who set it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    """Empty for all addresses of the machine."""
    port: int
    """0 for any that is free."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, setting: str) -> Address:
    """`host:port`, `:port` or `[IPv6]:port`."""
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if (
        not colon
        or not (port.isascii() and port.isdigit())
        or int(port) > 0xFFFF
        or (":" in host and not bracketed)
        or host == "[]"
    ):
        raise AddressError(
            f"{setting}: {text!r} is no address: it takes host:port, :port or [IPv6]:port, with a port up to 65535"
        )
    return Address(host[1:-1] if bracketed else host, int(port))


def listen(address: Address, setting: str) -> socket.socket:
    """A socket that takes connections from now on."""
    try:
        return _listen(address)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AddressError(f"{setting}: cannot listen on {str(address)!r}: {reason.lower()}") from error


def _listen(address: Address) -> socket.socket:
    if not address.host:
        try:
            return _bind(socket.AF_INET6, ("::", address.port), dual_stack=True)
        except OSError as error:
            if error.errno not in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                raise
            return _bind(socket.AF_INET, ("0.0.0.0", address.port))
    family, _, _, _, place = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return _bind(family, place)


def _bind(family: int, place: tuple[object, ...], *, dual_stack: bool = False) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if dual_stack else 1)
        # NOTE: on Linux the connections that are accepted inherit these.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1000)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        bound.bind(place)
        bound.listen(WAITING_CONNECTIONS)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


class _Seldom(logging.Filter):
    """Lets each message through once in ten seconds: uvicorn writes one for every bad, refused or failed request."""

    def __init__(self) -> None:
        super().__init__()
        self._limiter = LogLimiter()

    def filter(self, record: logging.LogRecord) -> bool:
        error = type(record.exc_info[1]).__name__ if record.exc_info else ""
        line = self._limiter.admit(f"{record.msg} {error}", record.getMessage(), record.created)
        if line is not None:
            record.msg, record.args = line, ()
        return line is not None


_SELDOM = _Seldom()


def _allow_many_files() -> None:
    """Every connection is an open file. The usual soft limit of 1,024 is there for programs that use `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # then it stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for bound in sockets or ():
            bound.listen(WAITING_CONNECTIONS)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process."""
        yield


async def serve(
    app: Application,
    address: str,
    *,
    setting: str,
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
    max_connections: int = MAX_CONNECTIONS,
    connection: type[Connection] = Connection,
) -> None:
    """Serve until `stop` is set or the task is cancelled; then finish what is on its way, within `GRACE_SECONDS`.

    `ready` is called with the port as soon as connections are taken. Raises AddressError, naming the setting that
    the address came from. A live stream ends when its source closes: close the source before stopping the server.
    """
    bound = listen(parse_address(address, setting), setting)
    _allow_many_files()
    logging.getLogger("uvicorn.error").addFilter(_SELDOM)
    server = _Server(
        uvicorn.Config(
            app,
            http=connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=max_connections,
            backlog=ACCEPTED_AT_ONCE,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[bound]), name=f"server for {setting}")
    try:
        if ready is not None:
            ready(bound.getsockname()[1])
        await _until(serving, stop or asyncio.Event())
    finally:
        server.should_exit = True
        try:
            await serving
        finally:
            bound.close()


async def _until(serving: asyncio.Task[None], stop: asyncio.Event) -> None:
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
