"""A request to the API server, independent of the HTTP client.

Two clients keep this contract and pass the same tests: `kube.client.aiohttp_client.AiohttpClient`, which can also watch,
and `kube.client.h11_client.H11Client`, which is 10 MiB smaller and runs on every node. Both use the time limit, the
JSON and the errors of this module.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeAlias

import orjson

from pulltrace import __version__
from pulltrace.kube.decoding.api_objects import text_or_empty
from pulltrace.kube.decoding.partial_json import Shape, read_object
from pulltrace.kube.errors import ApiError, ApiTooSlow, ApiUnreachable, one_line

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

HEADERS = {"User-Agent": f"pulltrace/{__version__}", "Accept": JSON, "Accept-Encoding": "identity"}
"""Headers of every request. A compressed response has no size limit before it is unpacked."""

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
RESPONSE: Shape = {
    **dict.fromkeys(("kind", "apiVersion", "status", "message", "reason", "code", "details", "spec")),
    "metadata": _METADATA,
}
"""Fields that are read of a large object: all but `managedFields`, which may have a MiB of tiny values. Lists are read
by `AiohttpClient.list_page`."""

REQUEST_SECONDS = 10.0
MAX_RETRY_AFTER_DIGITS = 9
"""A Retry-After with more digits is ignored."""

Params: TypeAlias = Mapping[str, str]


class ApiClient(Protocol):
    """A client of one API server, used in one event loop.

    It raises only `ApiError` (the server refused) and `ApiUnreachable` (no valid response). The caller decides about
    retries, except for a 401: the request is sent once more with fresh credentials, since tokens expire.
    """

    async def namespace(self) -> str | None:
        """Return the namespace of this pod, or of the kubeconfig's context."""

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
        """Send one request; return the status (2xx) and the decoded body, None for an empty one."""


def encode_body(body: object, content_type: str) -> tuple[bytes | None, dict[str, str]]:
    """Return a body as it is sent, and its headers."""
    return (None, {}) if body is None else (orjson.dumps(body), {"Content-Type": content_type})


@asynccontextmanager
async def time_limit(request: str, seconds: float) -> AsyncIterator[None]:
    """Limit the whole request, credentials and body included; an `OSError` in it becomes `ApiUnreachable`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise ApiTooSlow(f"no answer to {request} within {seconds:g} s") from error
    except OSError as error:
        raise unreachable(request, error) from error


def unreachable(request: str, error: Exception) -> ApiUnreachable:
    return ApiUnreachable(f"{request}: {one_line(str(error)) or type(error).__name__}")


def decode_body(request: str, raw: bytes, content_type: str | None) -> Any:
    """Return the value of a successful response's body. Raises `ApiUnreachable` for anything but JSON."""
    try:
        return read_object(raw, RESPONSE) if raw else None
    except ValueError as error:
        kind = one_line(content_type or "no content type")
        raise ApiUnreachable(f"{request} was answered with something that is not JSON ({kind})") from error


def response_error(status: int, phrase: str | None, retry_after: str | None, raw: bytes) -> ApiError:
    """Return the error of a response that is not a success: a Status object, or the text of a proxy."""
    reason = ""
    try:
        decoded = orjson.loads(raw)
        if isinstance(decoded, dict):
            reason = text_or_empty(decoded.get("message")) or text_or_empty(decoded.get("reason"))
    except orjson.JSONDecodeError:
        reason = raw.decode("utf-8", "replace")
    after = (retry_after or "").strip()
    return ApiError(
        status,
        one_line(reason) or one_line(phrase or "") or "no reason given",
        float(after) if after.isascii() and after.isdigit() and len(after) <= MAX_RETRY_AFTER_DIGITS else None,
    )
