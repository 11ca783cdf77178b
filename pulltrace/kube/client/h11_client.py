"""The agent's client of the API server: HTTP/1.1 by h11 over one kept socket, one request at a time.

It keeps the contract of `kube.client.api.ApiClient` with 10 MiB less memory than aiohttp, and cannot watch. API servers
close idle connections, and an idle agent writes every two minutes. So a request whose kept connection turns out to be
closed is sent again on a new one, if a repetition changes nothing. HTTP_PROXY and .netrc are ignored, and a redirect is
an error: the token goes to the API server only.

h11 has no limit of an answer's size, and prefers a transfer encoding to a length where an answer has both: both bounds
are here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

import h11

from pulltrace.kube.client.api import (
    HEADERS,
    JSON,
    REQUEST_SECONDS,
    Params,
    current,
    decoded,
    encoded,
    error_of,
    time_limit,
    unreachable,
)
from pulltrace.kube.client.credentials import Access, AccessSource
from pulltrace.kube.client.tls import TlsContexts, notice_dead_peer
from pulltrace.kube.errors import ApiUnreachable, one_line

REPEATABLE = ("GET", "PATCH")
"""Methods that may be sent twice: a repeated merge patch changes nothing."""
MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Most bytes of an answer on the wire. A Lease has up to 16 KiB, and etcd takes objects of up to 1.5 MiB."""
MAX_HEAD_BYTES = 64 * 1024
"""Most bytes of headers or trailers."""
READ_BYTES = 64 * 1024


class BadAnswer(Exception):
    """The bytes from the server are not one whole answer of HTTP/1.1."""


class NoAnswer(BadAnswer):
    """The connection ended before an answer began, as a kept connection does that the server has closed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, read to its end."""

    status: int
    reason: str
    headers: Mapping[str, str]
    """Names in lower case; of several headers with one name the last."""
    body: bytes


@dataclass(frozen=True, slots=True)
class _Route:
    """The endpoint of a connection; a kept connection serves requests to an equal one."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    server_name: str | None


@dataclass(frozen=True, slots=True)
class _Open:
    """An open connection."""

    route: _Route
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    http: h11.Connection

    @property
    def ended(self) -> bool:
        return self.writer.is_closing() or self.reader.at_eof()


def client_state() -> h11.Connection:
    return h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)


def request_bytes(
    http: h11.Connection, method: str, target: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """Return a request as it is sent. Raises `h11.LocalProtocolError` for text that would end a line."""
    if body is not None:
        headers = {**headers, "Content-Length": str(len(body))}
    events: list[h11.Event] = [h11.Request(method=method, target=target, headers=list(headers.items()))]
    events += [h11.Data(data=body)] if body else []
    return b"".join(http.send(event) or b"" for event in [*events, h11.EndOfMessage()])


async def read_answer(http: h11.Connection, stream: asyncio.StreamReader) -> Answer:
    """Read the answer to the request that was sent. Raises `BadAnswer`."""
    response: h11.Response | None = None
    body = bytearray()
    received = 0
    try:
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                response = event
                if {b"content-length", b"transfer-encoding"} <= {name for name, _ in event.headers}:
                    raise BadAnswer("the server sent both a length and a transfer encoding")
            elif isinstance(event, h11.Data):
                body += event.data
            elif event is h11.NEED_DATA:
                data = await stream.read(READ_BYTES)
                if not data and not received:
                    raise NoAnswer("the connection was closed without an answer")
                received += len(data)
                if received > MAX_ANSWER_BYTES:
                    raise BadAnswer(f"the server sent more than {MAX_ANSWER_BYTES} bytes")
                http.receive_data(data)
    except h11.RemoteProtocolError as error:
        raise BadAnswer(f"the server sent no HTTP/1.1: {one_line(str(error), 200)}") from error
    assert response is not None
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
    return Answer(response.status_code, response.reason.decode("latin-1"), headers, bytes(body))


def can_be_reused(http: h11.Connection) -> bool:
    """Whether the connection can carry another request; a surplus after the answer would be taken for the next answer."""
    return http.our_state is h11.DONE and http.their_state is h11.DONE and http.trailing_data == (b"", False)


class SmallConnection:
    """`Requesting` over asyncio's streams."""

    def __init__(self, source: AccessSource) -> None:
        self._source = source
        self._tls = TlsContexts()
        self._lock = asyncio.Lock()
        self._open: _Open | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if closing := self._drop():
            with suppress(OSError):
                await closing.wait_closed()

    async def namespace(self) -> str | None:
        return (await self._source.access()).namespace

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        content_type: str = JSON,
        timeout_seconds: float = REQUEST_SECONDS,
    ) -> tuple[int, Any]:
        what = f"{method} {path}"
        data, headers = encoded(body, content_type)
        target = f"{path}?{urlencode(params, quote_via=quote)}" if params else path
        try:
            async with time_limit(what, timeout_seconds), self._lock:
                answer = await self._answer(method, target, headers, data, refused=False)
                if answer.status == 401:
                    answer = await self._answer(method, target, headers, data, refused=True)
        except (BadAnswer, ValueError, h11.LocalProtocolError) as error:
            # ValueError and LocalProtocolError: an address or a token that no request can carry.
            raise unreachable(what, error) from error
        if answer.status >= 300:
            raise error_of(answer.status, answer.reason, answer.headers.get("retry-after"), answer.body)
        return answer.status, decoded(what, answer.body, answer.headers.get("content-type"))

    async def _answer(
        self, method: str, target: str, headers: dict[str, str], data: bytes | None, *, refused: bool
    ) -> Answer:
        """Send a request with the current credentials."""
        access = await current(self._source, refused=refused)
        route = self._route(access)
        url = urlsplit(access.base_url)
        sent = {"Host": url.netloc.rpartition("@")[2], **HEADERS, **headers}
        if access.authorization:
            sent["Authorization"] = access.authorization
        request = method, url.path + target, sent, data
        if (kept := self._open) and kept.route == route and not kept.ended:
            try:
                return await self._exchange(kept, *request)
            except (NoAnswer, ConnectionError):
                if method not in REPEATABLE:
                    raise
        self._drop()
        return await self._exchange(await self._connect(route), *request)

    async def _exchange(
        self, connection: _Open, method: str, target: str, headers: Mapping[str, str], data: bytes | None
    ) -> Answer:
        """Send one request and read its answer; drop the connection unless it is ready for the next request."""
        http = connection.http
        reusable = False
        try:
            connection.writer.write(request_bytes(http, method, target, headers, data))
            await connection.writer.drain()
            answer = await read_answer(http, connection.reader)
            if reusable := can_be_reused(http):
                http.start_next_cycle()
        finally:
            if not reusable:
                self._drop()
        return answer

    def _route(self, access: Access) -> _Route:
        if access.proxy:
            raise ApiUnreachable("the kubeconfig names a proxy (proxy-url), which the agent cannot use")
        url = urlsplit(access.base_url)
        secure = url.scheme == "https"
        return _Route(
            url.hostname or "",
            url.port or (443 if secure else 80),
            self._tls.context(access) if secure else None,
            access.server_name if secure else None,
        )

    async def _connect(self, route: _Route) -> _Open:
        reader, writer = await asyncio.open_connection(
            route.host, route.port, ssl=route.tls, server_hostname=route.server_name
        )
        self._open = opened = _Open(route, reader, writer, client_state())
        notice_dead_peer(writer.get_extra_info("socket"))
        return opened

    def _drop(self) -> asyncio.StreamWriter | None:
        """Abort the connection without TLS's close_notify, whose answer could take seconds."""
        if (dropped := self._open) is None:
            return None
        self._open = None
        dropped.writer.transport.abort()
        return dropped.writer
