"""What is said of a pod in a Kubernetes Event, and how the Event is written down. Pure.

One Event for each pod and reason: told again it is the same object, with a new text and a higher count, so that
`kubectl describe pod` shows one line for each reason. Its name follows from the pod and the reason, so a new
leader goes on with the object of the one before.

NOTE: these are Events of `events.k8s.io/v1` in all that is in them (reporting controller and instance, series), but they are
written through the core API: it is the same object, and `events.k8s.io` does not let a text be changed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pulltrace.kube.decoding.fields import Raw
from pulltrace.kube.resources.lease_store import micro_time

CONTROLLER = "pulltrace.io/aggregator"
ACTION = "PullImage"
MOST_NOTE_BYTES = 1024
MOST_INSTANCE_CHARACTERS = 128
MOST_NAME_CHARACTERS = 220
"""Of the pod, within the Event's 253."""


@dataclass(frozen=True, slots=True)
class PodEvent:
    """Something to be said of a waiting pod."""

    namespace: str
    pod: str
    pod_uid: str
    reason: str
    """In CamelCase, as Kubernetes has it."""
    note: str
    """For people, on one line."""
    field_path: str | None = None
    """The container: `spec.containers{web}`."""
    warning: bool = False

    @property
    def name(self) -> str:
        """The same for all that is said of this pod for this reason."""
        digest = hashlib.sha256(f"{self.pod_uid}/{self.reason}".encode()).hexdigest()
        return f"{self.pod[:MOST_NAME_CHARACTERS].rstrip('-.')}.pulltrace-{digest[:16]}"


class EventWriting(Protocol):
    """What the leader needs to be heard."""

    async def write(self, event: PodEvent) -> None:
        """Raises `KubeError`."""


def made(event: PodEvent, instance: str, now: float) -> Raw:
    """The Event that says it for the first time; `now` is in Unix seconds."""
    pod = {"apiVersion": "v1", "kind": "Pod", "namespace": event.namespace, "name": event.pod, "uid": event.pod_uid}
    if event.field_path is not None:
        pod["fieldPath"] = event.field_path
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": event.name, "namespace": event.namespace},
        "involvedObject": pod,
        "reason": event.reason,
        "action": ACTION,
        "eventTime": micro_time(now),
        # Tools that know only the older fields sort by these.
        "firstTimestamp": _seconds(now),
        "reportingComponent": CONTROLLER,
        **_said(event, instance, 1, now),
    }


def again(event: PodEvent, instance: str, count: int, now: float) -> Raw:
    """The merge patch that says it for the `count`th time."""
    return {**_said(event, instance, count, now), "series": {"count": count, "lastObservedTime": micro_time(now)}}


def count_of(raw: Any) -> int:
    """How often an Event that is there has been told."""
    said = raw if isinstance(raw, dict) else {}
    series = said.get("series")
    counts = (series.get("count") if isinstance(series, dict) else None, said.get("count"), 1)
    return next(count for count in counts if isinstance(count, int) and count > 0)


def _said(event: PodEvent, instance: str, count: int, now: float) -> Raw:
    return {
        "type": "Warning" if event.warning else "Normal",
        "message": event.note.encode()[:MOST_NOTE_BYTES].decode(errors="ignore"),
        "reportingInstance": instance[:MOST_INSTANCE_CHARACTERS],
        "lastTimestamp": _seconds(now),
        "count": count,
    }


def _seconds(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
