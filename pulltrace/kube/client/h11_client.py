"""The agent's client of the API server: HTTP/1.1 by h11 over one kept socket, one request at a time.

It keeps the contract of `kube.client.api.ApiClient` with 10 MiB less memory than aiohttp, and cannot watch. API servers
close idle connections, and an idle agent writes every two minutes. So a request whose kept connection turns out to be
closed is sent again on a new one, if a repetition changes nothing. HTTP_PROXY and .netrc are ignored, and a redirect is
an error: the token goes to the API server only.

h11 neither limits the size of a response nor refuses one with both a length and a transfer encoding: both are done here.
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
    decode_body,
    encode_body,
    response_error,
    time_limit,
    unreachable,
)
from pulltrace.kube.client.credentials import ConfigSource, RestConfig, current_config
from pulltrace.kube.client.tls import TlsContexts, set_keepalive
from pulltrace.kube.errors import ApiUnreachable, one_line

REPEATABLE = ("GET", "PATCH")
"""Methods that may be sent twice: a repeated merge patch changes nothing."""
MAX_RESPONSE_BYTES = 4 * 1024 * 1024
"""Most bytes of a response on the wire. A Lease has up to 16 KiB, and etcd takes objects of up to 1.5 MiB."""
MAX_HEAD_BYTES = 64 * 1024
"""Most bytes of headers or trailers."""
READ_BYTES = 64 * 1024


class BadResponse(Exception):
    """The bytes from the server are not one whole response of HTTP/1.1."""


class NoResponse(BadResponse):
    """The connection ended before a response began, as a kept connection does that the server has closed."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response, read to its end."""

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
    """Return a request as it is sent. Raises `ValueError` for text that HTTP does not allow, such as a line break."""
    if body is not None:
        headers = {**headers, "Content-Length": str(len(body))}
    try:
        events: list[h11.Event] = [h11.Request(method=method, target=target, headers=list(headers.items()))]
    except (h11.LocalProtocolError, UnicodeError):
        # Their messages have the value, which may be a token.
        raise ValueError("the path or a header has a character that HTTP does not allow") from None
    events += [h11.Data(data=body)] if body else []
    return b"".join(http.send(event) or b"" for event in [*events, h11.EndOfMessage()])


async def read_response(http: h11.Connection, stream: asyncio.StreamReader) -> Response:
    """Read the response to the request that was sent. Raises `BadResponse`."""
    response: h11.Response | None = None
    body = bytearray()
    received = 0
    try:
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                response = event
                if {b"content-length", b"transfer-encoding"} <= {name for name, _ in event.headers}:
                    raise BadResponse("the server sent both a length and a transfer encoding")
            elif isinstance(event, h11.Data):
                body += event.data
            elif event is h11.NEED_DATA:
                data = await stream.read(READ_BYTES)
                if not data and not received:
                    raise NoResponse("the connection was closed without an answer")
                received += len(data)
                if received > MAX_RESPONSE_BYTES:
                    raise BadResponse(f"the server sent more than {MAX_RESPONSE_BYTES} bytes")
                http.receive_data(data)
    except h11.RemoteProtocolError as error:
        raise BadResponse(f"the server sent no HTTP/1.1: {one_line(str(error), 200)}") from error
    assert response is not None
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
    return Response(response.status_code, response.reason.decode("latin-1"), headers, bytes(body))


def can_be_reused(http: h11.Connection) -> bool:
    """Return whether the connection can carry another request; surplus bytes would be read as the next response."""
    return http.our_state is h11.DONE and http.their_state is h11.DONE and http.trailing_data == (b"", False)


class H11Client:
    """`ApiClient` over asyncio's streams."""

    def __init__(self, source: ConfigSource) -> None:
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
        return (await self._source.config()).namespace

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
        data, headers = encode_body(body, content_type)
        target = f"{path}?{urlencode(params, quote_via=quote)}" if params else path
        try:
            async with time_limit(what, timeout_seconds), self._lock:
                response = await self._send(method, target, headers, data, unauthorized=False)
                if response.status == 401:
                    response = await self._send(method, target, headers, data, unauthorized=True)
        except (BadResponse, ValueError) as error:  # ValueError: an address or a token that no request can carry
            raise unreachable(what, error) from error
        if response.status >= 300:
            raise response_error(response.status, response.reason, response.headers.get("retry-after"), response.body)
        return response.status, decode_body(what, response.body, response.headers.get("content-type"))

    async def _send(
        self, method: str, target: str, headers: dict[str, str], data: bytes | None, *, unauthorized: bool
    ) -> Response:
        """Send a request with the current credentials."""
        config = await current_config(self._source, unauthorized=unauthorized)
        route = self._route(config)
        url = urlsplit(config.base_url)
        sent = {"Host": url.netloc.rpartition("@")[2], **HEADERS, **headers}
        if config.authorization:
            sent["Authorization"] = config.authorization
        request = method, url.path + target, sent, data
        if (kept := self._open) and kept.route == route and not kept.ended:
            try:
                return await self._exchange(kept, *request)
            except (NoResponse, ConnectionError):
                if method not in REPEATABLE:
                    raise
        self._drop()
        return await self._exchange(await self._connect(route), *request)

    async def _exchange(
        self, connection: _Open, method: str, target: str, headers: Mapping[str, str], data: bytes | None
    ) -> Response:
        """Send one request and read its response; drop the connection unless it is ready for the next request."""
        http = connection.http
        reusable = False
        try:
            connection.writer.write(request_bytes(http, method, target, headers, data))
            await connection.writer.drain()
            response = await read_response(http, connection.reader)
            if reusable := can_be_reused(http):
                http.start_next_cycle()
        finally:
            if not reusable:
                self._drop()
        return response

    def _route(self, config: RestConfig) -> _Route:
        if config.proxy:
            raise ApiUnreachable("the kubeconfig names a proxy (proxy-url), which the agent cannot use")
        url = urlsplit(config.base_url)
        secure = url.scheme == "https"
        return _Route(
            url.hostname or "",
            url.port or (443 if secure else 80),
            self._tls.context(config) if secure else None,
            config.server_name if secure else None,
        )

    async def _connect(self, route: _Route) -> _Open:
        reader, writer = await asyncio.open_connection(
            route.host, route.port, ssl=route.tls, server_hostname=route.server_name
        )
        self._open = opened = _Open(route, reader, writer, client_state())
        set_keepalive(writer.get_extra_info("socket"))
        return opened

    def _drop(self) -> asyncio.StreamWriter | None:
        """Abort the connection without TLS's close_notify, whose exchange could take seconds."""
        if (dropped := self._open) is None:
            return None
        self._open = None
        dropped.writer.transport.abort()
        return dropped.writer
