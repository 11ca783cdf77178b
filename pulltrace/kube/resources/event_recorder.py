"""Kubernetes Events about waiting pods, as client-go's EventRecorder writes them.

A pod has one Event for each reason. A repetition patches the same object with a new message and a higher count, so that
`kubectl describe pod` shows one line for each reason. The name follows from the pod and the reason, so a new leader
continues the object of its predecessor.

NOTE: the objects have all fields of `events.k8s.io/v1` (reporting controller and instance, series) but are written
through the core API: it is the same object, and `events.k8s.io` does not allow a change of the message.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pulltrace.kube.client.api import JSON, MERGE_PATCH, ApiClient
from pulltrace.kube.decoding.api_objects import Raw, object_or_empty
from pulltrace.kube.errors import ApiError
from pulltrace.kube.resources.leases import micro_time

CONTROLLER = "pulltrace.io/aggregator"
ACTION = "PullImage"
MAX_NOTE_BYTES = 1024
MAX_INSTANCE_CHARACTERS = 128
MAX_POD_CHARACTERS = 220
"""Of the pod's name in the Event's name, which has at most 253."""
MAX_COUNTS = 10_000
"""Events whose count is kept; the count of any other is read back, which costs two more requests."""
WRITE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class KubernetesEvent:
    """A message about a waiting pod."""

    namespace: str
    pod: str
    pod_uid: str
    reason: str
    """In CamelCase, as in Kubernetes."""
    note: str
    """One line for the user."""
    field_path: str | None = None
    """The container: `spec.containers{web}`."""
    warning: bool = False

    @property
    def name(self) -> str:
        """The object's name: the same for all events of this pod and reason."""
        digest = hashlib.sha256(f"{self.pod_uid}/{self.reason}".encode()).hexdigest()
        return f"{self.pod[:MAX_POD_CHARACTERS].rstrip('-.')}.pulltrace-{digest[:16]}"


class EventRecorder:
    """Creates and patches Events in the name of the process `instance`."""

    def __init__(self, client: ApiClient, instance: str, *, wall: Callable[[], float] = time.time) -> None:
        self._client = client
        self._instance = instance
        self._wall = wall
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def write(self, event: KubernetesEvent) -> None:
        """Create the Event, or patch the existing one. Raises `KubeError`."""
        key = event.namespace, event.name
        count = self._counts.pop(key, None)
        if count is None:
            count = await self._create(event)
        if count:
            try:
                await self._patch(event, repetition(event, self._instance, count + 1, self._wall()))
            except ApiError as error:
                if error.status != 404:
                    raise
                count = await self._create(event)  # API servers delete Events after an hour
        self._counts[key] = count + 1
        if len(self._counts) > MAX_COUNTS:
            self._counts.popitem(last=False)

    async def _create(self, event: KubernetesEvent) -> int:
        """Create the Event and return 0; return the count of an existing one."""
        try:
            await self._send("POST", _path(event.namespace), first_event(event, self._instance, self._wall()))
        except ApiError as error:
            if error.status != 409:
                raise
        else:
            return 0
        # The previous leader created it. An empty patch returns the object without a permission to read.
        return count_of(await self._patch(event, {}))

    async def _patch(self, event: KubernetesEvent, body: object) -> object:
        return await self._send("PATCH", f"{_path(event.namespace)}/{quote(event.name, safe='')}", body, MERGE_PATCH)

    async def _send(self, method: str, path: str, body: object, content_type: str = JSON) -> object:
        _, raw = await self._client.request(
            method, path, body=body, content_type=content_type, timeout_seconds=WRITE_SECONDS
        )
        return raw


def first_event(event: KubernetesEvent, instance: str, now: float) -> Raw:
    """Return the object of a new Event; `now` is in Unix seconds."""
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
        # Tools that know only the older fields sort by this one.
        "firstTimestamp": _timestamp(now),
        "reportingComponent": CONTROLLER,
        **_changing_fields(event, instance, 1, now),
    }


def repetition(event: KubernetesEvent, instance: str, count: int, now: float) -> Raw:
    """Return the merge patch of an Event's `count`th occurrence."""
    series = {"count": count, "lastObservedTime": micro_time(now)}
    return {**_changing_fields(event, instance, count, now), "series": series}


def count_of(raw: Any) -> int:
    """Return how often an existing Event has occurred."""
    event = object_or_empty(raw)
    counts = (object_or_empty(event.get("series")).get("count"), event.get("count"), 1)
    return next(count for count in counts if isinstance(count, int) and count > 0)


def _changing_fields(event: KubernetesEvent, instance: str, count: int, now: float) -> Raw:
    return {
        "type": "Warning" if event.warning else "Normal",
        "message": event.note.encode()[:MAX_NOTE_BYTES].decode(errors="ignore"),
        "reportingInstance": instance[:MAX_INSTANCE_CHARACTERS],
        "lastTimestamp": _timestamp(now),
        "count": count,
    }


def _timestamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/events"
