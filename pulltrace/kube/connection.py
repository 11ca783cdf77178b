"""The aggregator's connection to the API server: one HTTP session and one SSL context for the whole process.

Two verbs: `request` sends JSON and gets JSON, within a time limit; `stream` reads a watch line by line,
as bytes, because most lines are cheaper to filter than to parse. Both raise what `kube.requesting` says, and
try a 401 once more with fresh credentials.

NOTE: aiohttp costs 10 MiB. The agent has no memory for it and uses `kube.small_connection`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
from yarl import URL

from pulltrace.kube.access import SERVICE_ACCOUNT_FOLDER, Access, AccessSource, usual_source
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.requesting import (
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
from pulltrace.kube.transport import TlsContexts, open_socket

CONNECT_SECONDS = 5.0
MAX_LINE_BYTES = 32 * 1024 * 1024
"""A watch line beyond this is no object of Kubernetes' (etcd takes 1.5 MiB): better an error than all memory."""


class Connection:
    """`Requesting`, and watching, over aiohttp."""

    def __init__(self, source: AccessSource) -> None:
        self._source = source
        self._tls = TlsContexts()
        self._session: aiohttp.ClientSession | None = None

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
            ):
                raw = await answer.read()
        except aiohttp.ClientError as error:
            raise unreachable(what, error) from error
        return answer.status, decoded(what, raw, answer.headers.get("Content-Type"))

    async def stream(
        self, path: str, params: Params, read_timeout_seconds: float = 60.0
    ) -> AsyncGenerator[bytes, None]:
        """The lines of an endless answer. Ends when the server ends it; silence for too long is an error."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=read_timeout_seconds)
        parts: list[bytes] = []  # of the line that has not ended yet
        size = 0
        try:
            async with self._answer("GET", path, params, None, {}, timeout) as answer:
                async for chunk in answer.content.iter_any():
                    head, *rest = chunk.split(b"\n")
                    parts.append(head)
                    size += len(head)
                    for part in rest:
                        if line := b"".join(parts):
                            yield line
                        parts, size = [part], len(part)
                    if size > MAX_LINE_BYTES:
                        raise ApiUnreachable(f"a line of {path} is longer than {MAX_LINE_BYTES} bytes")
        except TimeoutError as error:
            raise ApiUnreachable(f"{path} has been silent for {read_timeout_seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(path, error) from error
        if line := b"".join(parts):
            yield line

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
                    await answer.read()
                    continue
                if answer.status >= 300:
                    after = answer.headers.get("Retry-After")
                    raise error_of(answer.status, answer.reason, after, await answer.read())
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


def _cut(answer: aiohttp.ClientResponse) -> None:
    """Drop the connection of an answer that was not read to its end: a watch that nobody wants any more.

    Left to itself it would go on in the background for up to 30 s, to say goodbye by the rules of TLS.
    """
    if (connection := answer.connection) and connection.transport:
        connection.transport.abort()
