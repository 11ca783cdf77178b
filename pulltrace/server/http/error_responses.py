"""What a connection is answered whose request never gets to the application: it is no HTTP, too large, or one too many."""

from __future__ import annotations

from http import HTTPStatus

import falcon
import h11

from pulltrace.server.http import problems
from pulltrace.server.http.asgi import SECURITY_HEADERS, Receive, Scope, Send, secured
from pulltrace.server.http.request_heads import BadHead

MAX_HEADER_BYTES = 16 * 1024
"""Of a request, with its first line: the path, the query and all headers."""
BUSY_RETRY_SECONDS = 5

_CLOSE = (b"connection", b"close")
_NOT_UNDERSTOOD = falcon.HTTPBadRequest(title="Bad request", description="This is no HTTP/1.1 request.")
_TOO_LARGE = falcon.HTTPError(
    falcon.HTTP_431,
    title="Request header fields too large",
    description=f"The first line and the headers of a request, the query included, may take {MAX_HEADER_BYTES // 1024} KiB.",
)


def answer_to_bad_request(error: BaseException | None) -> tuple[h11.Event, ...]:
    """A whole answer; `error` is what h11 has against the request."""
    too_large = isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == _TOO_LARGE.status_code
    problem = _TOO_LARGE if too_large else _NOT_UNDERSTOOD
    if isinstance(error, BadHead):
        problem = falcon.HTTPBadRequest(title="Bad request", description=f"This request is ambiguous. {error}")
    body = problems.document(problem)
    headers = [
        (b"content-type", problems.CONTENT_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        _CLOSE,
        *SECURITY_HEADERS,
    ]
    response = h11.Response(
        status_code=problem.status_code, headers=headers, reason=HTTPStatus(problem.status_code).phrase.encode()
    )
    return response, h11.Data(data=body), h11.EndOfMessage()


async def _answer_busy(scope: Scope, receive: Receive, send: Send) -> None:
    await problems.respond_error(
        send,
        falcon.HTTPServiceUnavailable(
            title="Too many requests at once",
            description="This replica answers as many requests as it may; come again.",
            retry_after=BUSY_RETRY_SECONDS,
            headers={"Connection": "close"},
        ),
    )


answer_busy = secured(_answer_busy)
"""The application of requests that are too many."""
