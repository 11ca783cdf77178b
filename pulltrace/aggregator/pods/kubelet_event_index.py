"""What the kubelets have said in Events of one pod: which images they have asked for, and how that went. Pure.

Events only add to what pods and Leases say. They come late or not at all (a kubelet has a budget for them), so for
each image of a pod only the newest of each kind is kept. The API server tells of them in the order in which it got
them, which nobody can forge; their times are of the node's clock, to the second. A container that was asked for and has
neither failed nor got its image since stands in the node's queue. Which Events count is decided in `attribution`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pulltrace.aggregator.pods.fair_share import text_bytes
from pulltrace.kube.resources.kubelet_events import EventKind, EventRecord
from pulltrace.kube.resources.pending_pods import ImageWait, Role
from pulltrace.pulls.redaction import redact
from pulltrace.pulls.references import full_name

_SAID_BYTES = 400
"""Memory of an image's record and key, beside the words."""
_TRY = "Failed to pull image"
_TOOK = re.compile(r'" in (?:(\d{1,4})m)?(\d{1,6}(?:\.\d{1,9})?)(ms|s)')


@dataclass(frozen=True, slots=True)
class ImagePullStatus:
    """The newest that was said of one image of a pod; times in Unix seconds on the node's clock."""

    requested_at: float | None = None
    turn: int = 0
    """When it was asked for among all Events: these come in the order of the API server."""
    failed_seq: int = -1
    pulled_seq: int = -1
    tries: int = 0
    """Tries that have failed."""
    failed_at: float | None = None
    """When the last of them did."""
    words: str = ""
    """Why the last of them did: redacted, on one line of at most 1 KiB."""

    @property
    def asked(self) -> bool:
        """The kubelet waits for an answer."""
        return self.requested_at is not None and self.turn > max(self.failed_seq, self.pulled_seq)

    @property
    def present(self) -> bool:
        """The container has its image, by what Events say."""
        return self.pulled_seq >= 0 and (self.requested_at is None or self.turn < self.pulled_seq)

    @property
    def size_bytes(self) -> int:
        """Estimated memory of the record."""
        return _SAID_BYTES + text_bytes(self.words)


def image_key(wait: ImageWait) -> str:
    """An image volume is no container, so the kubelet tells of it by the image's name."""
    return f"@{full_name(wait.image)}" if wait.role is Role.VOLUME else wait.name


def pull_seconds(message: str) -> float | None:
    """How long the pull itself took: `Successfully pulled image "…" in 1m2.3s (1m9s including waiting)`."""
    if not message.startswith("Successfully pulled"):
        return None
    match = _TOOK.search(message)
    if match is None:
        return None
    number = float(match[2])
    return 60.0 * int(match[1] or 0) + (number / 1000 if match[3] == "ms" else number)


def in_order(events: Iterable[EventRecord]) -> list[EventRecord]:
    """Events that were listed, in no certain order, as they came about. An answer of the same second was later."""
    return sorted(events, key=lambda event: (event.at, event.kind is not EventKind.PULLING))


def event_image_key(event: EventRecord) -> str:
    """The key of the image that an Event is about; see `key_of`."""
    return event.container or f"@{full_name(event.image or '')}"


def heard(said: ImagePullStatus, event: EventRecord, turn: int) -> ImagePullStatus:
    """The record after an Event; `turn` is the number of the Event among all."""
    if event.kind is EventKind.PULLING:
        return said if said.requested_at == event.at else replace(said, requested_at=event.at, turn=turn)
    if event.kind is EventKind.PULLED:
        return replace(said, pulled_seq=turn)
    said = replace(said, failed_seq=turn)
    if event.kind is EventKind.FAILED:
        # What is never pulled is told again and again: these are no tries.
        tried = event.message.startswith(_TRY)
        tries = event.count if tried else 1
        failed_at = event.at if tried else said.failed_at
        said = replace(said, tries=max(said.tries, tries), failed_at=failed_at, words=redact(event.message))
    return said
