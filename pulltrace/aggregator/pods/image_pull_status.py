"""The kubelets' Events of one pod: which images were requested, and how the pulls ended. Pure.

Events only add to pods and Leases. They come late or not at all (a kubelet has a budget for them), so for each image
of a pod only the newest of each kind is kept. Their order is the API server's, which no author can forge; their times
are from the node's clock, to the second. A requested container without a failure or an image since then is in the
node's queue. `event_attribution` decides which Events count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pulltrace.aggregator.pods.namespace_budget import text_bytes
from pulltrace.kube.resources.kubelet_events import EventKind, KubeletEvent
from pulltrace.kube.resources.pending_pods import ImageWait, Role
from pulltrace.pulls.redaction import redact
from pulltrace.pulls.references import full_name

_STATUS_BYTES = 400
"""Memory of an image's record and key, without the message."""
_TRY = "Failed to pull image"
_DURATION = re.compile(r'" in (?:(\d{1,4})m)?(\d{1,6}(?:\.\d{1,9})?)(ms|s)')


@dataclass(frozen=True, slots=True)
class ImagePullStatus:
    """The newest Events on one image of a pod. Times are Unix seconds on the node's clock."""

    requested_at: float | None = None
    requested_seq: int = 0
    """The number of the request among all Events, in the API server's order."""
    failed_seq: int = -1
    pulled_seq: int = -1
    tries: int = 0
    """Failed attempts."""
    failed_at: float | None = None
    """Time of the last failed attempt."""
    message: str = ""
    """Cause of the last failed attempt: redacted, on one line of at most 1 KiB."""

    @property
    def requested(self) -> bool:
        """Whether the kubelet has requested the image, and waits for the end of the pull."""
        return self.requested_at is not None and self.requested_seq > max(self.failed_seq, self.pulled_seq)

    @property
    def present(self) -> bool:
        """Whether Events report the image as present for the container."""
        return self.pulled_seq >= 0 and (self.requested_at is None or self.requested_seq < self.pulled_seq)

    @property
    def size_bytes(self) -> int:
        """Estimated memory of the record."""
        return _STATUS_BYTES + text_bytes(self.message)


NO_EVENTS = ImagePullStatus()
"""The status of an image without Events."""


def image_key(wait: ImageWait) -> str:
    """Return the key of an image of a pod. Events on an image volume name no container, only the image."""
    return f"@{full_name(wait.image)}" if wait.role is Role.VOLUME else wait.name


def event_image_key(event: KubeletEvent) -> str:
    """Return the key of the image that an Event is about; see `image_key`."""
    return event.container or f"@{full_name(event.image or '')}"


def event_pull_seconds(message: str) -> float | None:
    """Parse the duration of the pull alone: `Successfully pulled image "…" in 1m2.3s (1m9s including waiting)`."""
    if not message.startswith("Successfully pulled"):
        return None
    match = _DURATION.search(message)
    if match is None:
        return None
    number = float(match[2])
    return 60.0 * int(match[1] or 0) + (number / 1000 if match[3] == "ms" else number)


def in_order(events: Iterable[KubeletEvent]) -> list[KubeletEvent]:
    """Sort listed Events by time. In the same second, a request comes before the end of its pull."""
    return sorted(events, key=lambda event: (event.at, event.kind is not EventKind.PULLING))


def apply_event(status: ImagePullStatus, event: KubeletEvent, seq: int) -> ImagePullStatus:
    """Return the status after an Event; `seq` is the number of the Event among all."""
    if event.kind is EventKind.PULLING:
        if status.requested_at == event.at:
            return status
        return replace(status, requested_at=event.at, requested_seq=seq)
    if event.kind is EventKind.PULLED:
        return replace(status, pulled_seq=seq)
    status = replace(status, failed_seq=seq)
    if event.kind is EventKind.FAILED:
        # The kubelet repeats the Event of an image that it never pulls: these are no attempts.
        tried = event.message.startswith(_TRY)
        tries = event.count if tried else 1
        failed_at = event.at if tried else status.failed_at
        status = replace(status, tries=max(status.tries, tries), failed_at=failed_at, message=redact(event.message))
    return status
