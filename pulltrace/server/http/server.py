"""Serve an application on an address, as one task of a process.

uvicorn expects the process to itself: it handles the signals, and exits when the port is in use. Here the process's task group
decides when to stop, an address that cannot be bound is one line, and slow connections have deadlines (`deadlines`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import resource
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import uvicorn

from pulltrace.errors import UserError
from pulltrace.log_limiter import LogLimiter
from pulltrace.server.http.asgi import Application
from pulltrace.server.http.deadlines import MAX_INCOMPLETE, DeadlineProtocol, IncompleteRequests

GRACE_SECONDS = 5
"""How long responses may take to finish once the server stops."""

MAX_CONNECTIONS = 4096
"""Connections beside the streams; uvicorn answers requests on more with 503.

The limits of requests, of waiters and of incomplete requests are lower together, and their responses are problem documents.
"""

ACCEPTED_AT_ONCE = 64
"""Connections that asyncio accepts before it handles others. When all clients reconnect at once, a request waits for this many."""

BACKLOG = 4096
"""Connections that wait in the kernel to be accepted."""

UNACKNOWLEDGED_SECONDS = 15
"""The kernel ends a connection whose peer acknowledges nothing for this long. A stream has a keep-alive comment every 12 s at
least, so a subscriber that vanished is removed within 30 s."""

UNSENT_BYTES = 128 * 1024
"""Limit for written bytes that wait in the kernel: the backlog of a slow subscriber stays short, and its events current."""


class AddressError(UserError):
    """An address that cannot be bound; the message is one line for the user who set it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    """Empty for all addresses of the machine."""
    port: int
    """0 for any free port."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, setting: str) -> Address:
    """Parse `host:port`, `:port` or `[IPv6]:port`. Raises AddressError, with the name of the setting."""
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
            f"{setting}: {text!r} is not an address: use host:port, :port or [IPv6]:port, with a port up to 65535"
        )
    return Address(host[1:-1] if bracketed else host, int(port))


def listen(address: Address, setting: str) -> socket.socket:
    """Return a listening socket. Raises AddressError, with the name of the setting."""
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
        # NOTE: on Linux accepted connections inherit these.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1000)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        bound.bind(place)
        bound.listen(BACKLOG)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


class _RateLimitFilter(logging.Filter):
    """Pass each message once in ten seconds: uvicorn logs one for each bad, refused or failed request.

    Requests that the server cancels at its end did not fail; uvicorn logs their number in one line.
    """

    def __init__(self) -> None:
        super().__init__()
        self._limiter = LogLimiter()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            return False
        error = type(record.exc_info[1]).__name__ if record.exc_info else ""
        line = self._limiter.admit(f"{record.msg} {error}", record.getMessage(), record.created)
        if line is not None:
            record.msg, record.args = line, ()
        return line is not None


_RATE_LIMIT = _RateLimitFilter()


def _raise_file_limit() -> None:
    """Allow as many open files, one for each connection, as the hard limit does. The soft limit of 1,024 is for `select`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


GC_THRESHOLD = 10_000
"""Container objects that are new before the garbage collector runs; Python's default is 700.

A subscriber is 66 of them, and none of them needs the collector. While 9,000 came, full collections took 1.0 to 1.4 s together
(up to 0.4 s each) with the default, and 0.2 to 0.35 s with this.
"""


def _tune_garbage_collector() -> None:
    gc.set_threshold(GC_THRESHOLD, *gc.get_threshold()[1:])


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for bound in sockets or ():
            bound.listen(BACKLOG)

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
    max_incomplete: int = MAX_INCOMPLETE,
    protocol: type[DeadlineProtocol] = DeadlineProtocol,
) -> None:
    """Serve until `stop` is set or the task is cancelled; then let responses finish within `GRACE_SECONDS`.

    `ready` is called with the port as soon as the server accepts connections. Raises AddressError, with the name of the setting of
    the address. A stream ends when its source closes: close the source before stopping the server.
    """
    bound = listen(parse_address(address, setting), setting)
    _raise_file_limit()
    _tune_garbage_collector()
    logging.getLogger("uvicorn.error").addFilter(_RATE_LIMIT)
    server = _Server(
        uvicorn.Config(
            app,
            http=partial(protocol, incomplete=IncompleteRequests(max_incomplete)),  # type: ignore[arg-type]
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
