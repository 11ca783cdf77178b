"""The connection to the API server: one HTTP session and one SSL context for the whole process.

Two verbs: `request` sends JSON and gets JSON, within a time limit; `stream` reads a watch line by line,
as bytes, because most lines are cheaper to filter than to parse. Both raise only `ApiError` (the server
said no) and `ApiUnreachable` (it said nothing sensible); retrying is the caller's decision, with one
exception: a 401 is tried once more with fresh credentials, since tokens expire between two looks at them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeAlias

import aiohttp
import orjson
from yarl import URL

from pulltrace import __version__
from pulltrace.kube.access import SERVICE_ACCOUNT_FOLDER, Access, AccessSource, InCluster
from pulltrace.kube.errors import ApiError, ApiUnreachable, ConnectError, one_line
from pulltrace.kube.transport import TlsContexts, open_socket

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

CONNECT_SECONDS = 5.0
MAX_LINE_BYTES = 32 * 1024 * 1024
"""A watch line beyond this is no object of Kubernetes' (etcd takes 1.5 MiB): better an error than all memory."""

Params: TypeAlias = Mapping[str, str]


class Connection:
    """Talks to one API server. Made in, used in and closed in one event loop."""

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
        """The namespace we run in, or the one that the kubeconfig's context names."""
        return (await self._source.access()).namespace

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        content_type: str = JSON,
        timeout_seconds: float = 10.0,
    ) -> tuple[int, Any]:
        """Send one request; the status (2xx) and the parsed answer, None when the answer is empty."""
        data = None if body is None else orjson.dumps(body)
        headers = {} if data is None else {"Content-Type": content_type}
        try:
            async with asyncio.timeout(timeout_seconds):
                # A limit for the whole, credentials and body included: aiohttp's own do not cover the first.
                async with self._answer(method, path, params, data, headers, aiohttp.ClientTimeout()) as answer:
                    raw = await answer.read()
        except TimeoutError as error:
            raise ApiUnreachable(f"no answer to {method} {path} within {timeout_seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ApiUnreachable(f"{method} {path}: {_describe(error)}") from error
        if not raw:
            return answer.status, None
        try:
            return answer.status, orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            kind = one_line(answer.headers.get("Content-Type", "no content type"))
            raise ApiUnreachable(f"{method} {path} was answered with something that is not JSON ({kind})") from error

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
            raise ApiUnreachable(f"{path}: {_describe(error)}") from error
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
            try:
                access = await self._source.access(refused=refused)
            except ConnectError as error:
                raise ApiUnreachable(str(error)) from error
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
                    raise await _error(answer)
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
                headers={"User-Agent": f"pulltrace/{__version__}", "Accept": JSON},
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
    """A connection by the usual rules: the kubeconfig that is named, else the pod's service account,
    else $KUBECONFIG or ~/.kube/config. Raises `ConnectError`; does not ask the server anything yet.
    """
    source: AccessSource
    in_cluster = InCluster(folder, environ)
    if kubeconfig is None and in_cluster.present:
        source = in_cluster
    else:
        # Here, and not above: it loads the `kubernetes` package, which the agent has no memory for.
        from pulltrace.kube.kubeconfig import Kubeconfig, usual_paths

        source = Kubeconfig(usual_paths(environ) if kubeconfig is None else kubeconfig)
    await source.access()
    return Connection(source)


def _cut(answer: aiohttp.ClientResponse) -> None:
    """Drop the connection of an answer that was not read to its end: a watch that nobody wants any more.

    Left to itself it would go on in the background for up to 30 s, to say goodbye by the rules of TLS.
    """
    if (connection := answer.connection) and connection.transport:
        connection.transport.abort()


async def _error(answer: aiohttp.ClientResponse) -> ApiError:
    """The error of an answer that is not a success: a Status object, or whatever stands between us wrote."""
    raw = await answer.read()
    reason = ""
    try:
        status = orjson.loads(raw)
        reason = str(status.get("message") or status.get("reason") or "") if isinstance(status, dict) else ""
    except orjson.JSONDecodeError:
        reason = raw.decode("utf-8", "replace")
    after = answer.headers.get("Retry-After", "").strip()
    return ApiError(
        answer.status,
        one_line(reason) or answer.reason or "no reason given",
        float(after) if after.isascii() and after.isdigit() else None,
    )


def _describe(error: Exception) -> str:
    return one_line(str(error)) or type(error).__name__
