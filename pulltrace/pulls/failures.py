"""The reason why an image could not be pulled, and what to do about it. Pure.

The kubelet gives a reason (`ErrImagePull`) and containerd's message, which ends with the registry's. The failure reason
follows from words in it that containerd 1.6 to 2.x, Go's network library and registries use, the most specific first.
Names and URLs in the message are the user's own words, so they are removed before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pulltrace.pulls.redaction import READ_CHARACTERS

FIRST_BACKOFF_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 300.0


class Reason(StrEnum):
    """The failure reasons: a bounded list, because they are a metric's label."""

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
    """The last failure of a pull, from the kubelet or containerd."""

    reason: Reason
    message: str
    """The first message with a cause, redacted, on one line of at most 1 KiB. A back-off's message does not replace it."""
    tries: int = 1
    """Failed attempts that Events or the pod's status reported."""
    retry_at: float | None = None
    """When the kubelet retries, on the aggregator's monotonic clock; estimated from its back-off (10 s, doubled each time,
    300 s at most). None when it does not retry."""


PULL_FAILED = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed"})
"""The kubelet's reasons for a container whose image it could not pull. It retries."""

NEVER_PULLED = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""The kubelet's reasons for a container whose image it does not pull. Another container's pull may bring the image."""

_KUBELET_REASONS = {"InvalidImageName": Reason.INVALID_NAME, "ErrImageNeverPull": Reason.NEVER_PULL}

# The first match in the text (in lower case) counts.
_WORDS = tuple(
    (reason, re.compile(words))
    for reason, words in (
        (Reason.NO_SPACE, "no space left on device|disk quota exceeded"),
        (Reason.NO_MATCHING_PLATFORM, "no match for platform|no matching manifest for"),
        (Reason.DIGEST_MISMATCH, "unexpected commit digest|failed size validation|mismatched image rootfs"),
        (Reason.DIGEST_MISMATCH, "wrong diff id calculated|failed precondition"),
        (Reason.NEVER_PULL, "pull policy of never"),
        (Reason.INVALID_NAME, "invalid reference format|couldn't parse image|failed to parse (image )?reference"),
        (Reason.RATE_LIMITED, "too ?many ?requests|rate limit|pull qps exceeded"),
        (Reason.TIMEOUT, "tls handshake timeout"),
        (Reason.TLS, "x509:|tls:|server gave http response to https client|malformed http response"),
        (Reason.UNAUTHORIZED, "401 unauthorized|unauthorized:|authentication required|no basic auth credentials"),
        (Reason.UNAUTHORIZED, "insufficient_scope|pull access denied"),
        (Reason.FORBIDDEN, "403 forbidden|denied:|access to the resource is denied"),
        # A blob that containerd itself has lost: no fault of the registry.
        (Reason.UNKNOWN, "content digest|expected at /"),
        (Reason.NOT_FOUND, "404 not found|: not found|(manifest|name|blob) unknown|code = notfound"),
        (Reason.TIMEOUT, "i/o timeout|deadline ?exceeded|timed out|timeout awaiting|504 gateway"),
        (Reason.REGISTRY_UNREACHABLE, "connection refused|connection reset|no such host|no route to host|host is down"),
        (Reason.REGISTRY_UNREACHABLE, "network is unreachable|server misbehaving|name resolution|proxyconnect"),
        (Reason.REGISTRY_UNREACHABLE, "broken pipe|unexpected eof|: eof|registry is unavailable"),
        (Reason.REGISTRY_UNREACHABLE, "500 internal server error|502 bad gateway|503 service unavailable"),
        (Reason.CANCELLED, "context canceled|code = canceled|operation was canceled"),
    )
)

_ADVICE = {
    Reason.NOT_FOUND: "The registry does not have this name or tag: check the spelling, or push the image.",
    Reason.UNAUTHORIZED: "The registry requires authentication, or the repository does not exist: "
    "check the pod's imagePullSecrets and the name.",
    Reason.FORBIDDEN: "These credentials may not read the repository: give them the right to pull.",
    Reason.RATE_LIMITED: "Too many pulls: use credentials of your own or a mirror, or wait.",
    Reason.REGISTRY_UNREACHABLE: "The node cannot reach the registry, or the registry is broken: "
    "check the host's name, DNS, firewall and proxy, and the registry itself.",
    Reason.TLS: "The node and the registry do not agree on TLS: check the registry's certificate, and the CA "
    "and the scheme (http or https) in the node's containerd configuration.",
    Reason.TIMEOUT: "The registry did not answer in time: check the network and the proxy between it and the node.",
    Reason.NO_SPACE: "The node's disk is full: free space on it, or enlarge it.",
    Reason.NO_MATCHING_PLATFORM: "The image is not built for the node's architecture: "
    "build it for this one too, or choose other nodes.",
    Reason.INVALID_NAME: "This is not a valid image name: correct it in the pod's specification.",
    Reason.NEVER_PULL: "The node does not have the image and imagePullPolicy is Never: "
    "load it onto the node, or change the policy.",
    Reason.DIGEST_MISMATCH: "The content does not match its digest: check the registry, and any mirror or proxy before it.",
    Reason.CANCELLED: "The pull was cancelled: its client disconnected, containerd stopped, or no byte arrived for too long.",
    Reason.UNKNOWN: "Read the message; containerd's log on the node may have details.",
}

_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_QUOTED_TEXT = re.compile(_QUOTED + "?")  # or to the end, so that an open quote is searched once only
_URL = re.compile(r"https?://\S*")
_KUBELET_PREFIX = re.compile(
    rf"(?:Failed to pull image {_QUOTED}: "
    rf"|Back-off pulling image {_QUOTED}(?:$|: (?:(?:{'|'.join(sorted(PULL_FAILED))}): )?))"
)


def classify(reason_word: str | None, message: str) -> Reason:
    """Return the failure reason for the kubelet's reason (None for an Event's or containerd's message) and the message."""
    if reason := _KUBELET_REASONS.get(reason_word or ""):
        return reason
    text = message[:READ_CHARACTERS]
    # An image may be named "x509" or "unauthorized", and its name is in the text without quotes as well.
    for name in sorted(set(_QUOTED_TEXT.findall(text)[:16]), key=len, reverse=True):
        text = text.replace(name, " ")
        if "/" in name:  # in full, as containerd writes it; a single letter would be removed from every word
            text = text.replace(name.strip('"'), " ")
    text = _URL.sub(" ", text).lower()
    for found, words in _WORDS:
        if words.search(text):
            return found
    return Reason.REGISTRY_UNREACHABLE if reason_word == "RegistryUnavailable" else Reason.UNKNOWN


def root_cause(message: str) -> str:
    """Return containerd's message without the kubelet's prefix.

    It is the same text for `ErrImagePull`, for `ImagePullBackOff` and for the Event `Failed`. Empty when a back-off has no
    cause.
    """
    found = _KUBELET_PREFIX.match(message[:READ_CHARACTERS])
    return message[found.end() :] if found else message


def advice(reason: Reason) -> str:
    """Return what to do about it, on one line."""
    return _ADVICE[reason]


def retry_seconds(tries: int) -> float:
    """Return the kubelet's back-off after so many failed attempts. The retry follows within another 15 s."""
    return min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** min(max(tries, 1) - 1, 10))
