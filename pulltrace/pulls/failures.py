"""Why an image could not be pulled, in words that a person can act on. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """What kind of failure it is: a bounded list, so that it can be a metric's label."""

    NOT_FOUND = "not_found"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate_limited"
    REGISTRY_UNREACHABLE = "registry_unreachable"
    TLS = "tls"
    TIMEOUT = "timeout"
    NO_SPACE = "no_space"
    NO_MATCHING_PLATFORM = "no_matching_platform"
    INVALID_NAME = "invalid_name"
    NEVER_PULL = "never_pull"
    DIGEST_MISMATCH = "digest_mismatch"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Failure:
    """The last failure of a pull, as the kubelet or containerd told it."""

    reason: Reason
    message: str
    """The first words that said why, without credentials, on one line of at most 1 KiB. A back-off does not hide it."""
    tries: int = 1
    """How many tries have failed, as far as was seen."""
    retry_at: float | None = None
    """When the kubelet will try again, on the aggregator's monotonic clock; an estimate from its back-off rule
    (10 s, doubled each time, 300 s at most). None where it does not try by itself."""
