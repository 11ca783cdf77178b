"""The kubelets' Events about images: requested, present, failed, in back-off.

Events only enrich: the pods' statuses have the same, but later and without a time. The kubelet writes Events with a
delay and drops some when they are many, so nothing may depend on one. Most of its Events are not about images: a field
selector excludes many of them at the API server, and the rest is filtered here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pulltrace.kube.decoding.api_objects import (
    TYPE_BYTES,
    Raw,
    is_deletion,
    object_or_empty,
    text_or_empty,
    unix_seconds,
)
from pulltrace.kube.watch.list_watch import ListWatch
from pulltrace.pulls.redaction import LONGEST_NAME_CHARACTERS, READ_CHARACTERS, redact_name


class EventKind(StrEnum):
    """The step of a pull that an Event reports."""

    PULLING = "pulling"
    """The kubelet has requested the image: its pull runs, or is queued on a node that pulls one image at a time."""
    PULLED = "pulled"
    """The image is present, by a pull or from before."""
    FAILED = "failed"
    """A pull failed, or is impossible (an invalid name, the policy `Never`)."""
    BACK_OFF = "back_off"
    """The kubelet waits before the next attempt."""


@dataclass(frozen=True, slots=True)
class KubeletEvent:
    """An Event of a kubelet about an image of a pod."""

    namespace: str
    pod: str
    pod_uid: str
    """Empty when the Event lacks it."""
    container: str | None
    """None for an image volume: its Event names only the pod."""
    kind: EventKind
    image: str | None
    """As the kubelet writes it: as in the pod's specification, with `:latest` where that has neither tag nor digest;
    without credentials."""
    message: str
    """Up to 4 KiB of the message, NOT redacted: that takes milliseconds, and few Events are shown."""
    at: float
    """When it last occurred, in Unix seconds on the node's clock."""
    count: int
    """How often it has occurred; the kubelet joins repetitions."""
    node: str | None
    """The node whose kubelet wrote the Event; None when the Event names none."""

    @property
    def pod_key(self) -> str:
        """The key of its pod, as `PodRecord.key`."""
        return f"{self.namespace}/{self.pod}"


_KINDS = {
    "Pulling": EventKind.PULLING,
    "Pulled": EventKind.PULLED,
    "Failed": EventKind.FAILED,
    "InspectFailed": EventKind.FAILED,
    "ErrImageNeverPull": EventKind.FAILED,
    "BackOff": EventKind.BACK_OFF,
}
_PREFIXES = {"Failed": "Failed to pull image", "BackOff": "Back-off pulling image"}
"""Message prefixes of reasons that kubelets also use for containers that do not start."""

_MARKS = tuple(word.encode() for word in ("Pull", "pull", "InspectFailed"))
"""Each line of an Event about an image has at least one of them."""
_OTHER_TYPES = (b'"BOOKMARK"', b'"ERROR"')

MAX_EVENT_BYTES = 64 * 1024
"""A kubelet's message has 1 KiB, and its Event 2 KiB."""
UNWANTED_REASONS = (
    "Created",
    "Started",
    "Killing",
    "Unhealthy",
    "ProbeWarning",
    "SandboxChanged",
    "DNSConfigForming",
    "FailedMount",
    "FailedCreatePodSandBox",
    "FailedSync",
)
"""The kubelets' most frequent reasons that are not about images. A field selector can exclude, but not choose one of several."""

SELECTOR = ",".join(
    ("involvedObject.kind=Pod", "source=kubelet", *(f"reason!={reason}" for reason in UNWANTED_REASONS))
)

MAX_NAME_CHARACTERS = 253
"""Longest name or UID in Kubernetes."""
MAX_COUNT = 100_000
"""A year of attempts, one every five minutes."""
KUBELET = "kubelet"
_CONTAINER = re.compile(r"spec\.\w+\{(.+)\}")
_IMAGE = re.compile(rf'"([^"\\]{{1,{LONGEST_NAME_CHARACTERS}}})"')


def is_about_images(line: bytes) -> bool:
    """Return whether a line of the watch may be about an image, without decoding it.

    Lines of crashing containers are not, nor of expired Events (one `DELETED` each).
    """
    if is_deletion(line):
        return False
    return any(mark in line for mark in _MARKS) or any(kind in line[:TYPE_BYTES] for kind in _OTHER_TYPES)


def kubelet_event_of(raw: Raw) -> KubeletEvent | None:
    """Return the record of an Event; None unless a kubelet wrote it about an image."""
    involved, source = object_or_empty(raw.get("involvedObject")), object_or_empty(raw.get("source"))
    namespace, pod = _name(involved.get("namespace")), _name(involved.get("name"))
    reason, message, at = text_or_empty(raw.get("reason")), text_or_empty(raw.get("message")), _at(raw)
    if (
        text_or_empty(object_or_empty(raw.get("metadata")).get("namespace")) not in {"", namespace}
        or _component(raw, source) != KUBELET
    ):
        return None
    kind = _KINDS.get(reason)
    if kind is None or not message.startswith(_PREFIXES.get(reason, "")) or not namespace or not pod or at is None:
        return None
    image, container = _IMAGE.search(message), _CONTAINER.fullmatch(_name(involved.get("fieldPath")))
    count = raw.get("count") or object_or_empty(raw.get("series")).get("count")
    return KubeletEvent(
        namespace=namespace,
        pod=pod,
        pod_uid=_name(involved.get("uid")),
        container=container[1] if container else None,
        kind=kind,
        image=redact_name(image[1]) if image else None,
        message=message[: READ_CHARACTERS + 1],  # one more than the reader takes marks a cut message
        at=at,
        count=min(count, MAX_COUNT) if type(count) is int and count > 0 else 1,
        node=_name(source.get("host")) or _name(raw.get("reportingInstance")) or None,
    )


KUBELET_EVENTS: ListWatch[KubeletEvent] = ListWatch(
    resource="events",
    path="/api/v1/events",
    decode=kubelet_event_of,
    permission="list and watch events",
    selectors={"fieldSelector": SELECTOR},
    is_wanted=is_about_images,
    max_bytes=MAX_EVENT_BYTES,
    ephemeral=True,
)
"""The Events that the API server keeps (usually for an hour) in no order, then new ones as they come.

A `Replaced` may be the one of a single namespace, a later one is empty, and no event is a `Deleted`.
"""


def _at(raw: Raw) -> float | None:
    """Return the time of the last occurrence; its field depends on the API by which the Event was written."""
    series, metadata = object_or_empty(raw.get("series")), object_or_empty(raw.get("metadata"))
    times = (
        raw.get("lastTimestamp"),
        series.get("lastObservedTime"),
        raw.get("eventTime"),
        raw.get("firstTimestamp"),
        metadata.get("creationTimestamp"),
    )
    return next((at for time in times if (at := unix_seconds(time)) is not None), None)


def _component(raw: Raw, source: Raw) -> str:
    """Return the component that wrote the Event; the newer API has another field for it."""
    return text_or_empty(source.get("component")) or text_or_empty(raw.get("reportingComponent"))


def _name(value: Any) -> str:
    text = text_or_empty(value)
    return text if len(text) <= MAX_NAME_CHARACTERS else ""
