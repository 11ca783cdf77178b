"""Errors of requests to the API server: it refused, it could not be reached, or its address is not known.

Callers of the API catch `KubeError`; its subclasses are for callers that treat them differently.
"""

from __future__ import annotations

from pulltrace.errors import UserError


class KubeError(Exception):
    """A request to the API server failed."""


class ConnectError(KubeError, UserError):
    """No usable address or credential for an API server: one line for the user."""


class ApiUnreachable(KubeError):
    """No response, or none that an API server sends (HTML of a load balancer, a cut connection).

    The API server may have executed the request.
    """


class ApiTooSlow(ApiUnreachable):
    """No whole response in time: a smaller request may succeed."""


class ApiError(KubeError):
    """The API server responded with a status that is not a success."""

    def __init__(self, status: int, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        """The server's message, on one line."""
        self.retry_after_seconds = retry_after_seconds
        """The server's Retry-After (429, 503), in seconds; None without one."""


def explain(error: BaseException | None, permission: str) -> str:
    """Return the text of an error; of a 403 with the missing permission, such as `list and watch pods`."""
    forbidden = isinstance(error, ApiError) and error.status == 403
    return f"missing permission to {permission}: {error}" if forbidden else str(error)


def one_line(text: str, limit: int = 300) -> str:
    """Return outside text as one line for a log: no line breaks or control characters, at most `limit` characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
