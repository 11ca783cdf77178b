"""Why an image could not be pulled, in words that a person can act on. Pure.

The kubelet gives a word (`ErrImagePull`) and the text of containerd, which has the text of the registry at its
end. What kind of failure that is, is read from words that containerd 1.6 to 2.x, Go's network library and
registries use, in an order in which the more telling come first. Names and URLs in the text are the user's own
words, so they are cut out before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pulltrace.pulls.redaction import READ_CHARACTERS
from pulltrace.pulls.redaction import redact as redact  # noqa: PLC0414 - whoever handles failures finds it here

FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0


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


PULL_FAILED = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed"})
"""The kubelet's words for a container whose image it has tried to pull, in vain; it will try again."""

NEVER_PULLED = frozenset({"InvalidImageName", "ErrImageNeverPull"})
"""The kubelet's words for a container for which it does not even try; another's pull may still end its wait."""

_KUBELET_REASONS = {"InvalidImageName": Reason.INVALID_NAME, "ErrImageNeverPull": Reason.NEVER_PULL}

# The first that is found in the text (in lower case) holds.
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
        # A blob that containerd itself has lost: the registry is not to blame.
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
    Reason.UNAUTHORIZED: "The registry wants to know who asks, or does not have the repository: "
    "check the pod's imagePullSecrets and the name.",
    Reason.FORBIDDEN: "The registry does not let these credentials read the repository: give them the right to pull.",
    Reason.RATE_LIMITED: "Too many pulls: pull with credentials of your own or through a mirror, or wait.",
    Reason.REGISTRY_UNREACHABLE: "The node cannot reach the registry, or the registry is out of order: "
    "check the host's name, DNS, firewall and proxy, and the registry itself.",
    Reason.TLS: "The node and the registry do not agree on TLS: check the registry's certificate, and the CA "
    "and the scheme (http or https) in the node's containerd configuration.",
    Reason.TIMEOUT: "The registry did not answer in time: check the network and the proxy between it and the node.",
    Reason.NO_SPACE: "The node's disk is full: free some space on it, or make it bigger.",
    Reason.NO_MATCHING_PLATFORM: "The image is not built for the node's architecture: "
    "build it for this one too, or choose other nodes.",
    Reason.INVALID_NAME: "This is not the name of an image: correct it in the pod's specification.",
    Reason.NEVER_PULL: "The node does not have the image and imagePullPolicy is Never: "
    "load it onto the node, or change the policy.",
    Reason.DIGEST_MISMATCH: "What came is not what was asked for: check the registry, and any mirror or proxy before it.",
    Reason.CANCELLED: "The pull was given up: its client went away, containerd stopped, or no byte came for too long.",
    Reason.UNKNOWN: "Read the message; containerd's log on the node may say more.",
}

_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_QUOTED_TEXT = re.compile(_QUOTED + "?")  # or to the end: a quote that is not closed must not be looked for again
_URL = re.compile(r"https?://\S*")
_KUBELET_PREFIX = re.compile(
    rf"(?:Failed to pull image {_QUOTED}: "
    rf"|Back-off pulling image {_QUOTED}(?:$|: (?:(?:{'|'.join(sorted(PULL_FAILED))}): )?))"
)


def classify(reason_word: str | None, message: str) -> Reason:
    """What kind of failure it is, by the kubelet's word (None when only an Event or containerd speaks) and the text."""
    if reason := _KUBELET_REASONS.get(reason_word or ""):
        return reason
    text = message[:READ_CHARACTERS]
    # An image may be called anything, "x509" or "unauthorized" too; and its name stands there without quotes as well.
    for name in sorted(set(_QUOTED_TEXT.findall(text)[:16]), key=len, reverse=True):
        text = text.replace(name, " ")
        if "/" in name:  # in full, as containerd writes it; a mere letter would be cut out of every word
            text = text.replace(name.strip('"'), " ")
    text = _URL.sub(" ", text).lower()
    for found, words in _WORDS:
        if words.search(text):
            return found
    return Reason.REGISTRY_UNREACHABLE if reason_word == "RegistryUnavailable" else Reason.UNKNOWN


def root_cause(message: str) -> str:
    """What containerd said, without what the kubelet puts before it.

    It is one and the same text in a status of `ErrImagePull`, in one of `ImagePullBackOff`, and in the Event
    `Failed`. Empty when a back-off does not say why.
    """
    found = _KUBELET_PREFIX.match(message[:READ_CHARACTERS])
    return message[found.end() :] if found else message


def advice(reason: Reason) -> str:
    """What to do about it, on one line."""
    return _ADVICE[reason]


def retry_seconds(tries: int) -> float:
    """How long the kubelet waits after so many failed tries, at least; it then looks within another 15 s."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(max(tries, 1) - 1, 10))
