"""What can go wrong between us and the API server: it says no, it cannot be reached, or we do not know where it is.

Whoever calls the API catches `KubeError`; the classes below are for callers that tell them apart.
"""

from __future__ import annotations

from pulltrace.errors import UserError


class KubeError(Exception):
    """Anything below."""


class ConnectError(KubeError, UserError):
    """There is no usable address or credential for an API server: for the user, in one line."""


class ApiUnreachable(KubeError):
    """No answer, or none that an API server would give (HTML from a load balancer, a cut connection).

    Nothing is known of what became of the request.
    """


class ApiTooSlow(ApiUnreachable):
    """No whole answer in time: asking for less may help."""


class ApiError(KubeError):
    """The API server answered with a status that is not a success."""

    def __init__(self, status: int, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        """The server's message, on one line."""
        self.retry_after_seconds = retry_after_seconds
        """What the server asks for (429, 503); None when it does not."""


def one_line(text: str, limit: int = 300) -> str:
    """Text from outside, fit for a log line: no line breaks or control characters, and not endless."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
