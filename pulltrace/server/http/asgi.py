"""Types of ASGI, and the headers of every response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

# The UI is static files and connects to this server only. Users choose image and pod names: should one ever get into the page
# as markup, it cannot load or run anything.
_POLICY = (
    b"default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HTTP_VERSIONS = {"1.0", "1.1"}
SECURITY_HEADERS: tuple[Header, ...] = (
    (b"content-security-policy", _POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    # Pages of other origins neither load these responses nor keep a handle of the window.
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


def secured(application: Application) -> Application:
    """Return the application with the security headers on every response."""

    async def with_headers(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            await send(message)

        await application(_with_known_version(scope), receive, send_with_headers)

    return with_headers


def _with_known_version(scope: Scope) -> Scope:
    """Treat HTTP/1.2 and later as 1.1 (RFC 9110, 2.5); Falcon raises an error for them."""
    known = scope["type"] != "http" or scope["http_version"] in _HTTP_VERSIONS
    return scope if known else {**scope, "http_version": "1.1"}


async def respond(
    send: Send, status: int, content_type: str, body: bytes, headers: Iterable[Header] = (), *, head: bool = False
) -> None:
    """Send a whole response; for `HEAD` without its body."""
    all_headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": b"" if head else body})
