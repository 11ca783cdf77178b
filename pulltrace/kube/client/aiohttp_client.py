"""The aggregator's client of the API server: one HTTP session and one SSL context for the whole process.

`request` sends and receives JSON within a time limit; `list_page` reads a list object by object; `stream` reads a watch
line by line, as bytes, because most lines are cheaper to filter than to parse. All keep the contract of
`kube.client.api.ApiClient`. The bytes in memory are limited, and only one response at a time may be large.

NOTE: aiohttp costs 10 MiB, so the agent uses `kube.client.h11_client`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
from yarl import URL

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
from pulltrace.kube.client.credentials import SERVICE_ACCOUNT_FOLDER, ConfigSource, RestConfig, current_config
from pulltrace.kube.client.load_config import load_config
from pulltrace.kube.client.tls import TlsContexts, open_socket
from pulltrace.kube.decoding.api_objects import Raw, list_metadata
from pulltrace.kube.decoding.object_reader import (
    LargeObjectLock,
    ListItem,
    ListReader,
    TooLong,
    Yielding,
    read_lines,
)
from pulltrace.kube.decoding.partial_json import MAX_OBJECT_BYTES, Shape
from pulltrace.kube.errors import ApiUnreachable

CONNECT_SECONDS = 5.0
MAX_ERROR_BYTES = 64 * 1024
"""Most bytes that are read of a response that is not a success."""


class AiohttpClient:
    """`ApiClient` over aiohttp, with lists and watches."""

    def __init__(self, source: ConfigSource) -> None:
        self._source = source
        self._tls = TlsContexts()
        self._session: aiohttp.ClientSession | None = None
        self._large_objects = LargeObjectLock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

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
        try:
            async with (
                time_limit(what, timeout_seconds),  # aiohttp's own limits do not cover the credentials
                self._response(method, path, params, data, headers, aiohttp.ClientTimeout()) as response,
                self._large_objects.reservation() as reservation,
            ):
                raw = bytearray()
                async for chunk in response.content.iter_any():
                    raw += chunk
                    await reservation.grow(len(raw))
                    if len(raw) > MAX_OBJECT_BYTES:
                        raise ApiUnreachable(f"{what} was answered with more than {MAX_OBJECT_BYTES} bytes")
                return response.status, decode_body(what, bytes(raw), response.headers.get("Content-Type"))
        except aiohttp.ClientError as error:
            raise unreachable(what, error) from error

    async def list_page(
        self,
        path: str,
        params: Params,
        handle: Callable[[ListItem], None],
        *,
        shape: Shape | None = None,
        max_object_bytes: int = MAX_OBJECT_BYTES,
        timeout_seconds: float = REQUEST_SECONDS,
    ) -> Raw:
        """Call `handle` with each object of a list (of large ones with the fields of `shape`); return the list's metadata."""
        what = f"GET {path}"
        try:
            async with (
                time_limit(what, timeout_seconds),
                self._response("GET", path, params, None, {}, aiohttp.ClientTimeout()) as response,
                self._large_objects.reservation() as reservation,
            ):
                reader = ListReader(response.content.iter_any(), reservation, shape, max_object_bytes)
                yielding = Yielding()
                async with aclosing(reader.items()) as items:
                    async for item in items:
                        handle(item)
                        await yielding.between_objects()
                kind = response.headers.get("Content-Type")
        except aiohttp.ClientError as error:
            raise unreachable(what, error) from error
        return list_metadata(path, decode_body(what, reader.envelope, kind))

    async def stream(
        self,
        path: str,
        params: Params,
        read_timeout_seconds: float = 60.0,
        max_line_bytes: int = MAX_OBJECT_BYTES,
    ) -> AsyncGenerator[bytes | TooLong, None]:
        """Yield the lines of a watch until the server ends it. Raises `ApiUnreachable` after a silence."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=read_timeout_seconds)
        try:
            async with (
                self._response("GET", path, params, None, {}, timeout) as response,
                self._large_objects.reservation() as reservation,
                aclosing(read_lines(response.content.iter_any(), reservation, max_line_bytes)) as lines,
            ):
                yielding = Yielding()
                while True:
                    await yielding.between_objects()
                    try:
                        yield await anext(lines)  # no name keeps the line alive during the next wait
                    except StopAsyncIteration:
                        break
        except TimeoutError as error:
            raise ApiUnreachable(f"{path} has been silent for {read_timeout_seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(path, error) from error

    @asynccontextmanager
    async def _response(
        self,
        method: str,
        path: str,
        params: Params | None,
        data: bytes | None,
        headers: dict[str, str],
        timeout: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and yield its successful response, whose body is not read yet."""
        for unauthorized in (False, True):
            config = await current_config(self._source, unauthorized=unauthorized)
            if config.authorization:
                headers["Authorization"] = config.authorization
            async with self._open_session().request(
                method,
                URL(config.base_url + path, encoded=True).with_query(params or {}),
                data=data,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,  # a token goes to the API server and nowhere else
                **self._tls_and_proxy(config),
            ) as response:
                if response.status == 401 and not unauthorized:
                    await _read_error(response)
                    continue
                if response.status >= 300:
                    after = response.headers.get("Retry-After")
                    raise response_error(response.status, response.reason, after, await _read_error(response))
                try:
                    yield response
                finally:
                    _abort_unread(response)
                return

    def _tls_and_proxy(self, config: RestConfig) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if config.base_url.startswith("https:"):
            arguments["ssl"] = self._tls.context(config)
            if config.server_name:
                arguments["server_hostname"] = config.server_name
        if config.proxy:
            arguments["proxy"] = config.proxy
        return arguments

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # No limit: every watched namespace holds a connection, and a write must not wait for them.
                connector=aiohttp.TCPConnector(limit=0, socket_factory=open_socket),
                headers=HEADERS,
                cookie_jar=aiohttp.DummyCookieJar(),
                # HTTP_PROXY and .netrc are ignored: the token goes to the API server only.
                trust_env=False,
            )
        return self._session


async def connect(
    kubeconfig: str | None = None,
    *,
    folder: Path = SERVICE_ACCOUNT_FOLDER,
    environ: Mapping[str, str] = os.environ,
) -> AiohttpClient:
    """Return a client with the configuration of `load_config`; no request is sent yet."""
    return AiohttpClient(await load_config(kubeconfig, folder=folder, environ=environ))


async def _read_error(response: aiohttp.ClientResponse) -> bytes:
    """Read the first bytes of a response that is not a success."""
    raw = bytearray()
    while len(raw) < MAX_ERROR_BYTES and (chunk := await response.content.read(MAX_ERROR_BYTES - len(raw))):
        raw += chunk
    if len(raw) >= MAX_ERROR_BYTES:
        _abort_unread(response)
    return bytes(raw)


def _abort_unread(response: aiohttp.ClientResponse) -> None:
    """Abort the connection of a response that was not read to its end, such as a cancelled watch.

    TLS's close_notify would keep it open in the background for up to 30 s.
    """
    if (connection := response.connection) and connection.transport:
        connection.transport.abort()
