"""Refuse requests that a browser sends for another site, before the application sees them.

Two kinds: the site gave its own name to this server's address (`allowed_hosts`), or a page of the site sends requests here. The page
cannot read their responses, but each would be work for this server and the API server. Browsers name the origin of a request
(`Sec-Fetch-Site`; over plain HTTP only `Origin`, and that not always). Programs such as curl and Prometheus send neither and pass.
"""

from __future__ import annotations

import falcon

from pulltrace.server.http import problems
from pulltrace.server.http.allowed_hosts import AllowedHosts
from pulltrace.server.http.asgi import Application, Receive, Scope, Send

PROBES = frozenset({"/healthz", "/readyz"})
"""Load balancers use any name for them, and the response is one word."""
DATA = ("/api/", "/metrics")
"""Paths that other sites may not request. Links of other sites may open the page itself."""
_OWN_SITE = frozenset({b"same-origin", b"none"})


def guarded(application: Application, hosts: AllowedHosts) -> Application:
    """Return the application, for its own site and for programs only."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        # ASGI promises only iterables, which can be read once.
        scope = {**scope, "headers": [(name, value) for name, value in scope.get("headers", ())]}
        if (error := refusal(scope, hosts)) is not None:
            await problems.respond_error(send, error)
        else:
            await application(scope, receive, send)

    return answer


def refusal(scope: Scope, hosts: AllowedHosts) -> falcon.HTTPError | None:
    """Return the error to respond with; None when the request may pass. `Host` is well-formed (`request_heads`)."""
    # Falcon reads `//api/` and `api/` as `/api/`.
    path = "/" + scope.get("path", "").lstrip("/")
    if path in PROBES:
        return None
    host = next(iter(_values(scope, b"host")), b"").decode("latin-1")
    if host and not hosts.permits(host):
        return falcon.HTTPError(
            falcon.HTTP_421,
            title="Host not allowed",
            description=f"This server does not answer for the host {host[: problems.MAX_ECHO]!r}. If the name is yours, list it in "
            "--allowed-hosts (PULLTRACE_ALLOWED_HOSTS; in the chart aggregator.allowedHosts).",
        )
    if path.startswith(DATA) and _is_cross_site(scope, host):
        return falcon.HTTPForbidden(
            title="Request of another site",
            description="A browser sent this request for a page of another site. Only Pulltrace's own page, the address bar and "
            "programs are answered here.",
        )
    return None


def _is_cross_site(scope: Scope, host: str) -> bool:
    if sites := _values(scope, b"sec-fetch-site"):
        return not _OWN_SITE.issuperset(sites)
    origins = [origin.decode("latin-1") for origin in _values(scope, b"origin")]
    return any(origin.partition("://")[2].lower() != host.lower() for origin in origins)


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope.get("headers", ()) if key == name]
