"""Responses to connections whose request does not reach the application: no HTTP, too large, or one too many."""

from __future__ import annotations

from http import HTTPStatus

import falcon
import h11

from pulltrace.server.http import problems
from pulltrace.server.http.asgi import SECURITY_HEADERS, Application, Receive, Scope, Send
from pulltrace.server.http.request_heads import MAX_HEAD_BYTES, BadHead

MAX_REQUESTS = 1024
"""Requests that an application answers at once. Streams have a limit of their own."""

BUSY_RETRY_SECONDS = 5

_NOT_HTTP = falcon.HTTPBadRequest(title="Bad request", description="This is not an HTTP/1.1 request.")
_TOO_LARGE = falcon.HTTPError(
    falcon.HTTP_431,
    title="Request header fields too large",
    description=f"The request line and the headers, the query included, may take {MAX_HEAD_BYTES // 1024} KiB.",
)


def bad_request_response(error: BaseException | None) -> tuple[h11.Event, ...]:
    """Return a whole response to a request that h11 refused with this error."""
    problem: falcon.HTTPError = _NOT_HTTP
    if isinstance(error, BadHead):
        problem = falcon.HTTPBadRequest(title="Bad request", description=f"This request is ambiguous. {error}")
    elif isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == _TOO_LARGE.status_code:
        problem = _TOO_LARGE
    body = problems.document(problem)
    headers = [
        (b"content-type", problems.CONTENT_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *SECURITY_HEADERS,
    ]
    response = h11.Response(
        status_code=problem.status_code, headers=headers, reason=HTTPStatus(problem.status_code).phrase.encode()
    )
    return response, h11.Data(data=body), h11.EndOfMessage()


def limit_requests(application: Application, max_requests: int = MAX_REQUESTS) -> Application:
    """Return the application with a limit for requests that it answers at once; others get 503 and `Retry-After`.

    NOTE: uvicorn's `limit_concurrency` is not enough. It counts streams, so it is ten times larger, and each request holds
    its response in memory until the peer has read it.
    """
    running = 0

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal running
        if running >= max_requests:
            await problems.respond_error(
                send,
                falcon.HTTPServiceUnavailable(
                    title="Too many requests at once",
                    description=f"This replica answers {max_requests} requests at once, which is its limit.",
                    retry_after=BUSY_RETRY_SECONDS,
                    headers={"Connection": "close"},
                ),
            )
            return
        running += 1
        try:
            await application(scope, receive, send)
        finally:
            running -= 1

    return limited
