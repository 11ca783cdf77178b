"""The agent's connection to the API server: one socket, kept open, and one request at a time.

It does what `kube.client.aiohttp_client.Connection` does for requests, without aiohttp's memory; it cannot watch. The API
server closes connections that have been idle, and an idle agent writes every two minutes: so a request whose
kept connection turns out to be closed is sent again on a new one, if doing it twice does no harm. Neither
HTTP_PROXY nor .netrc has a say in where our token goes, and a redirect is an error.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

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
from pulltrace.kube.client.http1 import Answer, BadAnswer, NoAnswer, read_answer, request_bytes
from pulltrace.kube.client.tls import TlsContexts, notice_dead_peer
from pulltrace.kube.errors import ApiUnreachable

REPEATABLE = ("GET", "PATCH")
"""A merge patch that is done twice changes nothing the second time."""


@dataclass(frozen=True, slots=True)
class _Route:
    """What must stay the same for an open connection to be used again."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    server_name: str | None


@dataclass(frozen=True, slots=True)
class _Open:
    """A connection that is open, as far as we know."""

    route: _Route
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def ended(self) -> bool:
        return self.writer.is_closing() or self.reader.at_eof()


class SmallConnection:
    """`Requesting` over asyncio's streams."""

    def __init__(self, source: AccessSource) -> None:
        self._source = source
        self._tls = TlsContexts()
        self._turn = asyncio.Lock()
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
            async with time_limit(what, timeout_seconds), self._turn:
                answer = await self._answer(method, target, headers, data, refused=False)
                if answer.status == 401:
                    answer = await self._answer(method, target, headers, data, refused=True)
        except (BadAnswer, ValueError) as error:  # ValueError: an address or a token that no request can carry
            raise unreachable(what, error) from error
        if answer.status >= 300:
            raise error_of(answer.status, answer.phrase, answer.headers.get("retry-after"), answer.body)
        return answer.status, decoded(what, answer.body, answer.headers.get("content-type"))

    async def _answer(
        self, method: str, target: str, headers: dict[str, str], data: bytes | None, *, refused: bool
    ) -> Answer:
        """What the server says to the credentials of this moment."""
        access = await current(self._source, refused=refused)
        route = self._route(access)
        url = urlsplit(access.base_url)
        sent = {"Host": url.netloc.rpartition("@")[2], **HEADERS, **headers}
        if access.authorization:
            sent["Authorization"] = access.authorization
        request = request_bytes(method, url.path + target, sent, data)
        if (kept := self._open) and kept.route == route and not kept.ended:
            try:
                return await self._exchange(kept, request)
            except (NoAnswer, ConnectionError):
                if method not in REPEATABLE:
                    raise
        self._drop()
        return await self._exchange(await self._connect(route), request)

    async def _exchange(self, connection: _Open, request: bytes) -> Answer:
        """One request and its answer. Whatever cuts this short, a late answer must not meet the next request."""
        reusable = False
        try:
            connection.writer.write(request)
            await connection.writer.drain()
            answer = await read_answer(connection.reader)
            reusable = answer.reusable
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
        self._open = opened = _Open(route, reader, writer)
        notice_dead_peer(writer.get_extra_info("socket"))
        return opened

    def _drop(self) -> asyncio.StreamWriter | None:
        """Cut the connection, without the goodbye of TLS, for which nobody would wait."""
        if (dropped := self._open) is None:
            return None
        self._open = None
        dropped.writer.transport.abort()
        return dropped.writer
