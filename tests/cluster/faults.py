"""The faults that tests order from the proxy on the way to a registry."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """A fault of the requests that it matches; the first one added that matches applies."""

    path: str
    """A regular expression that is searched in the path, e.g. `/blobs/sha256:4f5e`."""
    method: str = "GET|HEAD"
    """A regular expression for the whole method."""
    times: int | None = None
    """After so many requests it is used up; None: until it is removed."""
    status: int | None = None
    """Answer with this status and an error body as a registry writes it, without asking the registry."""
    headers: dict[str, str] = field(default_factory=dict)
    """More headers for that answer, e.g. Retry-After."""
    message: str | None = None
    """The text in the error body, when the usual one for this status will not do."""
    hang_seconds: float = 0
    """Wait so long before anything else happens; the wait ends early when the fault is removed."""
    cut_after_bytes: int | None = None
    """Close the connection after so many bytes of the body."""
    stall_after_bytes: int | None = None
    """Send nothing after so many bytes of the body until the fault is removed."""
    corrupt: bool = False
    """Change the bytes of the body, not their number."""

    def to_json(self) -> JSON:
        """As it is sent to the proxy."""
        return asdict(self)


@dataclass(frozen=True)
class Request:
    """A request that came through the proxy."""

    method: str
    path: str
    range: str | None
    status: int | None
    """None while it has not been answered."""
    sent_bytes: int
    started: float
    """Seconds since the proxy started."""
    ended: float | None
    """None while it is being answered."""
    fault: int | None
    """The number of the fault that it met."""


ERRORS = {
    400: ("NAME_INVALID", "invalid repository name"),
    401: ("UNAUTHORIZED", "authentication required"),
    403: ("DENIED", "requested access to the resource is denied"),
    404: ("MANIFEST_UNKNOWN", "manifest unknown"),
    429: ("TOOMANYREQUESTS", "You have reached your pull rate limit."),
    500: ("UNKNOWN", "unknown error"),
    503: ("UNAVAILABLE", "service not available"),
}


def error_body(status: int, path: str, message: str | None) -> JSON:
    """Return the body of an error as the distribution specification wants it."""
    code, text = ERRORS.get(status, ("UNKNOWN", "unknown error"))
    if status == 404 and "/blobs/" in path:
        code, text = "BLOB_UNKNOWN", "blob unknown to registry"
    return {"errors": [{"code": code, "message": message or text, "detail": None}]}


def challenge(status: int) -> dict[str, str]:
    """Return the header that a 401 needs to ask for credentials."""
    return {"WWW-Authenticate": 'Basic realm="registry"'} if status == 401 else {}
