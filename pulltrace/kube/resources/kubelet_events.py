"""What the kubelet tells of pulls in Kubernetes Events: asked for, there, failed, waiting for the next try.

Events only enrich: the pods' statuses say the same, but later and without a time. The kubelet writes them at
its leisure and drops some when there are many, so nothing may depend on one. Most kinds of its Events are not
about images; they are left out here, and where possible by the API server already.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from pulltrace.kube.decoding.fields import TYPE_BYTES, Raw, is_deleted, unix_seconds
from pulltrace.kube.watch.watch_events import WatchEvent
from pulltrace.pulls.redaction import LONGEST_NAME_CHARACTERS, READ_CHARACTERS, redact_name


class EventKind(StrEnum):
    """What is told of an image."""

    PULLING = "pulling"
    """The kubelet has asked for it: its pull has begun, or waits for others where the node pulls one at a time."""
    PULLED = "pulled"
    """It is there, by a pull or because it has been there before."""
    FAILED = "failed"
    """A pull has failed, or none can be tried (an invalid name, a policy of never pulling)."""
    BACK_OFF = "back_off"
    """The kubelet waits before it tries again."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An Event of a kubelet about an image of a pod."""

    namespace: str
    pod: str
    pod_uid: str
    """Empty when the Event does not say."""
    container: str | None
    """None for an image volume, of which the kubelet names the pod only."""
    kind: EventKind
    image: str | None
    """As the kubelet writes it: as in the pod's specification, with `:latest` where that has neither tag nor digest;
    without credentials."""
    message: str
    """As it came, of at most 4 KiB and NOT redacted: that takes milliseconds, and only few of all Events are shown."""
    at: float
    """When it last happened, in Unix seconds on the node's clock."""
    count: int
    """How often it has happened; the kubelet joins what comes again."""
    node: str | None
    """The node whose kubelet wrote the Event; None when the Event names none."""

    @property
    def pod_key(self) -> str:
        """The pod that it names, as `PodRecord.key` does."""
        return f"{self.namespace}/{self.pod}"


class EventWatching(Protocol):
    """The Events that are kept (an hour's, usually) in no certain order, then new ones as they come.

    They are news: none is ever told as `Gone`, a `Listed` may be that of one namespace of several, and one
    that comes later is empty.
    """

    def watch(self) -> AsyncIterator[WatchEvent[EventRecord]]: ...


_KINDS = {
    "Pulling": EventKind.PULLING,
    "Pulled": EventKind.PULLED,
    "Failed": EventKind.FAILED,
    "InspectFailed": EventKind.FAILED,
    "ErrImageNeverPull": EventKind.FAILED,
    "BackOff": EventKind.BACK_OFF,
}
_BEGINNINGS = {"Failed": "Failed to pull image", "BackOff": "Back-off pulling image"}
"""These reasons are used for containers that do not start, too."""

_MARKS = tuple(word.encode() for word in ("Pull", "pull", "InspectFailed"))
"""At least one of them is in the line of every Event that is about an image."""
_OTHER_FRAMES = (b'"BOOKMARK"', b'"ERROR"')

MAX_NAME_CHARACTERS = 253
"""Kubernetes has no longer names or UIDs."""
MAX_COUNT = 100_000
"""A year of tries, one every five minutes. No kubelet counts further."""
KUBELET = "kubelet"
_CONTAINER = re.compile(r"spec\.\w+\{(.+)\}")
_IMAGE = re.compile(rf'"([^"\\]{{1,{LONGEST_NAME_CHARACTERS}}})"')


def worth_reading(line: bytes) -> bool:
    """Whether a line of the watch can be of interest, told without parsing it.

    What is not: containers that crash again and again, and Events whose hour is over (one `DELETED` each).
    """
    if is_deleted(line):
        return False
    return any(mark in line for mark in _MARKS) or any(frame in line[:TYPE_BYTES] for frame in _OTHER_FRAMES)


def event_record(raw: Raw) -> EventRecord | None:
    """An Event as the API sends it; None for one that is not about an image, and for one that is odd."""
    involved, source = _object(raw.get("involvedObject")), _object(raw.get("source"))
    namespace, pod = _name(involved.get("namespace")), _name(involved.get("name"))
    reason, message, at = _text(raw.get("reason")), _text(raw.get("message")), _at(raw)
    if (
        _text(_object(raw.get("metadata")).get("namespace")) not in {"", namespace}
        or _component(raw, source) != KUBELET
    ):
        return None
    kind = _KINDS.get(reason)
    if kind is None or not message.startswith(_BEGINNINGS.get(reason, "")) or not namespace or not pod or at is None:
        return None
    image, container = _IMAGE.search(message), _CONTAINER.fullmatch(_name(involved.get("fieldPath")))
    count = raw.get("count") or _object(raw.get("series")).get("count")
    return EventRecord(
        namespace=namespace,
        pod=pod,
        pod_uid=_name(involved.get("uid")),
        container=container[1] if container else None,
        kind=kind,
        image=redact_name(image[1]) if image else None,
        message=message[: READ_CHARACTERS + 1],  # one more than is read tells that there were more
        at=at,
        count=min(count, MAX_COUNT) if type(count) is int and count > 0 else 1,
        node=_name(source.get("host")) or _name(raw.get("reportingInstance")) or None,
    )


def _at(raw: Raw) -> float | None:
    """The last time; one of these is there, by which interface the Event was written."""
    series, metadata = _object(raw.get("series")), _object(raw.get("metadata"))
    times = (
        raw.get("lastTimestamp"),
        series.get("lastObservedTime"),
        raw.get("eventTime"),
        raw.get("firstTimestamp"),
        metadata.get("creationTimestamp"),
    )
    return next((at for time in times if (at := unix_seconds(time)) is not None), None)


def _component(raw: Raw, source: Raw) -> str:
    """The component that wrote the Event; the newer interface has a field of its own."""
    return _text(source.get("component")) or _text(raw.get("reportingComponent"))


def _object(value: Any) -> Raw:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _name(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= MAX_NAME_CHARACTERS else ""
