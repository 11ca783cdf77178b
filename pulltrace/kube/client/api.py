"""What a request to the API server is, whoever carries it.

Two connections keep this contract and pass the same tests: `kube.client.aiohttp_client.Connection`, which can also watch,
and `kube.client.h11_client.SmallConnection`, which is 10 MiB smaller and runs on every node. What they
have in common is here: the time limit, JSON, and what an answer that is not a success says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeAlias

import orjson

from pulltrace import __version__
from pulltrace.kube.client.credentials import Access, AccessSource
from pulltrace.kube.decoding.fields import text_of
from pulltrace.kube.decoding.json_fields import Shape, read_object
from pulltrace.kube.errors import ApiError, ApiTooSlow, ApiUnreachable, ConnectError, one_line

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

HEADERS = {"User-Agent": f"pulltrace/{__version__}", "Accept": JSON, "Accept-Encoding": "identity"}
"""Headers of every request. Compressed answers have no bound before they are unpacked."""

_METADATA: Shape = dict.fromkeys(
    (
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
    )
)
ANSWER: Shape = {
    **dict.fromkeys(("kind", "apiVersion", "status", "message", "reason", "code", "details", "spec")),
    "metadata": _METADATA,
}
"""The fields that are read of a large object: all but `managedFields`, which may have a MiB of tiny values. Lists come
through `Connection.list_page`."""

REQUEST_SECONDS = 10.0
MAX_DIGITS = 9
"""Of the seconds in a Retry-After; more of them are no wait that anybody means."""

Params: TypeAlias = Mapping[str, str]


class Requesting(Protocol):
    """A connection to one API server: made in, used in and closed in one event loop.

    It raises only `ApiError` (the server said no) and `ApiUnreachable` (it said nothing sensible); retrying is the
    caller's decision, but for a 401: it is tried once more with fresh credentials, since tokens expire.
    """

    async def namespace(self) -> str | None:
        """The namespace we run in, or the one that the kubeconfig's context names."""

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
        """Send one request; the status (2xx) and the parsed answer, None when the answer is empty."""


async def current(source: AccessSource, *, refused: bool) -> Access:
    """The access of this moment. A plugin that fails while we run is a failure of the request, not of the process."""
    try:
        return await source.access(refused=refused)
    except ConnectError as error:
        raise ApiUnreachable(str(error)) from error


def encoded(body: object, content_type: str) -> tuple[bytes | None, dict[str, str]]:
    """A body as it is sent, and the headers that go with it."""
    return (None, {}) if body is None else (orjson.dumps(body), {"Content-Type": content_type})


@asynccontextmanager
async def time_limit(what: str, seconds: float) -> AsyncIterator[None]:
    """A limit for the whole, credentials and body included; what breaks within it is `ApiUnreachable`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise ApiTooSlow(f"no answer to {what} within {seconds:g} s") from error
    except OSError as error:
        raise unreachable(what, error) from error


def unreachable(what: str, error: Exception) -> ApiUnreachable:
    return ApiUnreachable(f"{what}: {one_line(str(error)) or type(error).__name__}")


def decoded(what: str, raw: bytes, content_type: str | None) -> Any:
    """The value of a successful answer's body."""
    try:
        return read_object(raw, ANSWER) if raw else None
    except ValueError as error:
        kind = one_line(content_type or "no content type")
        raise ApiUnreachable(f"{what} was answered with something that is not JSON ({kind})") from error


def error_of(status: int, phrase: str | None, retry_after: str | None, raw: bytes) -> ApiError:
    """The error of an answer that is not a success: a Status object, or whatever stands between us wrote."""
    reason = ""
    try:
        told = orjson.loads(raw)
        reason = text_of(told.get("message")) or text_of(told.get("reason")) if isinstance(told, dict) else ""
    except orjson.JSONDecodeError:
        reason = raw.decode("utf-8", "replace")
    after = (retry_after or "").strip()
    return ApiError(
        status,
        one_line(reason) or one_line(phrase or "") or "no reason given",
        float(after) if after.isascii() and after.isdigit() and len(after) <= MAX_DIGITS else None,
    )
