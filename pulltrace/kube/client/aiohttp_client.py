"""The aggregator's connection to the API server: one HTTP session and one SSL context for the whole process.

Three verbs: `request` sends JSON and gets JSON, within a time limit; `list_page` reads a list object by object;
`stream` reads a watch line by line, as bytes, because most lines are cheaper to filter than to parse. All raise what
`kube.client.api` says, and try a 401 once more with fresh credentials. What is read at a time is bounded in bytes,
and only one answer at a time may be large.

NOTE: aiohttp costs 10 MiB. The agent has no memory for it and uses `kube.client.h11_client`.
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
    current,
    decoded,
    encoded,
    error_of,
    time_limit,
    unreachable,
)
from pulltrace.kube.client.credentials import SERVICE_ACCOUNT_FOLDER, Access, AccessSource, usual_source
from pulltrace.kube.client.tls import TlsContexts, open_socket
from pulltrace.kube.decoding.fields import Raw, list_metadata
from pulltrace.kube.decoding.json_fields import Shape
from pulltrace.kube.decoding.object_reader import MAX_OBJECT_BYTES, Gate, ListReader, Pauses, Piece, TooLong, lines_of
from pulltrace.kube.errors import ApiUnreachable

CONNECT_SECONDS = 5.0
MAX_ERROR_BYTES = 64 * 1024
"""Read at most of an answer that is not a success."""


class Connection:
    """`Requesting`, and watching, over aiohttp."""

    def __init__(self, source: AccessSource) -> None:
        self._source = source
        self._tls = TlsContexts()
        self._session: aiohttp.ClientSession | None = None
        self._gate = Gate()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

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
        try:
            async with (
                time_limit(what, timeout_seconds),  # aiohttp's own do not cover the credentials
                self._answer(method, path, params, data, headers, aiohttp.ClientTimeout()) as answer,
                self._gate.turn() as turn,
            ):
                raw = bytearray()
                async for chunk in answer.content.iter_any():
                    raw += chunk
                    await turn.hold(len(raw))
                    if len(raw) > MAX_OBJECT_BYTES:
                        raise ApiUnreachable(f"{what} was answered with more than {MAX_OBJECT_BYTES} bytes")
                return answer.status, decoded(what, bytes(raw), answer.headers.get("Content-Type"))
        except aiohttp.ClientError as error:
            raise unreachable(what, error) from error

    async def list_page(
        self,
        path: str,
        params: Params,
        take: Callable[[Piece], None],
        *,
        shape: Shape | None = None,
        max_object_bytes: int = MAX_OBJECT_BYTES,
        timeout_seconds: float = REQUEST_SECONDS,
    ) -> Raw:
        """Give each object of a list to `take`; of large ones only the fields of `shape`. Returns the list's metadata."""
        what = f"GET {path}"
        try:
            async with (
                time_limit(what, timeout_seconds),
                self._answer("GET", path, params, None, {}, aiohttp.ClientTimeout()) as answer,
                self._gate.turn() as turn,
            ):
                reader = ListReader(answer.content.iter_any(), turn, shape, max_object_bytes)
                pauses = Pauses()
                async with aclosing(reader.objects()) as objects:
                    async for piece in objects:
                        take(piece)
                        await pauses.pause()
                kind = answer.headers.get("Content-Type")
        except aiohttp.ClientError as error:
            raise unreachable(what, error) from error
        return list_metadata(path, decoded(what, reader.envelope, kind))

    async def stream(
        self,
        path: str,
        params: Params,
        read_timeout_seconds: float = 60.0,
        max_line_bytes: int = MAX_OBJECT_BYTES,
    ) -> AsyncGenerator[bytes | TooLong, None]:
        """The lines of an endless answer. Ends when the server ends it; silence for too long is an error."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=read_timeout_seconds)
        try:
            async with (
                self._answer("GET", path, params, None, {}, timeout) as answer,
                self._gate.turn() as turn,
                aclosing(lines_of(answer.content.iter_any(), turn, max_line_bytes)) as lines,
            ):
                pauses = Pauses()
                while True:
                    await pauses.pause()
                    try:
                        yield await anext(lines)  # no name holds the line while this waits for the next
                    except StopAsyncIteration:
                        break
        except TimeoutError as error:
            raise ApiUnreachable(f"{path} has been silent for {read_timeout_seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(path, error) from error

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        params: Params | None,
        data: bytes | None,
        headers: dict[str, str],
        timeout: aiohttp.ClientTimeout,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A successful answer, its body not yet read."""
        for refused in (False, True):
            access = await current(self._source, refused=refused)
            if access.authorization:
                headers["Authorization"] = access.authorization
            async with self._open().request(
                method,
                URL(access.base_url + path, encoded=True).with_query(params or {}),
                data=data,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,  # a token goes to the API server and nowhere else
                **self._route(access),
            ) as answer:
                if answer.status == 401 and not refused:
                    await _beginning(answer)
                    continue
                if answer.status >= 300:
                    after = answer.headers.get("Retry-After")
                    raise error_of(answer.status, answer.reason, after, await _beginning(answer))
                try:
                    yield answer
                finally:
                    _cut(answer)
                return

    def _route(self, access: Access) -> dict[str, Any]:
        """The arguments of a request that only some addresses need."""
        route: dict[str, Any] = {}
        if access.base_url.startswith("https:"):
            route["ssl"] = self._tls.context(access)
            if access.server_name:
                route["server_hostname"] = access.server_name
        if access.proxy:
            route["proxy"] = access.proxy
        return route

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # No limit: every watched namespace holds a connection, and a write must not wait for them.
                connector=aiohttp.TCPConnector(limit=0, socket_factory=open_socket),
                headers=HEADERS,
                cookie_jar=aiohttp.DummyCookieJar(),
                # Neither HTTP_PROXY nor .netrc may have a say in where our token goes.
                trust_env=False,
            )
        return self._session


async def connect(
    kubeconfig: str | None = None,
    *,
    folder: Path = SERVICE_ACCOUNT_FOLDER,
    environ: Mapping[str, str] = os.environ,
) -> Connection:
    """A connection to the usual place (see `usual_source`); it does not ask the server anything yet."""
    return Connection(await usual_source(kubeconfig, folder=folder, environ=environ))


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    """Read the beginning of an answer that is not a success."""
    raw = bytearray()
    while len(raw) < MAX_ERROR_BYTES and (chunk := await answer.content.read(MAX_ERROR_BYTES - len(raw))):
        raw += chunk
    if len(raw) >= MAX_ERROR_BYTES:
        _cut(answer)
    return bytes(raw)


def _cut(answer: aiohttp.ClientResponse) -> None:
    """Drop the connection of an answer that was not read to its end: a watch that nobody wants any more.

    Left to itself it would go on in the background for up to 30 s, to say goodbye by the rules of TLS.
    """
    if (connection := answer.connection) and connection.transport:
        connection.transport.abort()
