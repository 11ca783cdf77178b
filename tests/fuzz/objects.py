"""Objects of Kubernetes with foreign authors: Pods, Events, Status."""

from __future__ import annotations

import math
from dataclasses import astuple

from pulltrace.aggregator.pods.image_pull_status import ImagePullStatus, apply_event
from pulltrace.kube.client.api import response_error
from pulltrace.kube.decoding.api_objects import status_error
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.resources.kubelet_events import KubeletEvent, kubelet_event_of
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.resources.pod_lister import counted_pod, read_pod
from pulltrace.pulls.lease_format.values import MAX_TEXT
from pulltrace.pulls.redaction import READ_CHARACTERS
from tests.fuzz.properties import is_line, json_of
from tests.fuzz.texts import is_message

REASON_CHARACTERS = 300


def check_pod(data: bytes) -> None:
    """Read a Pod with every field of its type and of bounded size, or none."""
    raw = json_of(data)
    try:
        is_pod(read_pod(raw)[0])
        assert hash(counted_pod(raw))
    except ApiUnreachable as error:
        is_line(str(error), REASON_CHARACTERS)


def is_pod(pod: PodRecord) -> None:
    for text in (pod.namespace, pod.name, pod.uid, pod.node, *astuple(pod.workload)):
        assert isinstance(text, str)
    assert pod.started_at is None or math.isfinite(pod.started_at)
    for wait in pod.waiting:
        assert isinstance(wait.name, str)
        assert isinstance(wait.image, str)
        assert isinstance(wait.reason, str | None)
        assert max(len(wait.image), len(wait.reason or "")) <= MAX_TEXT
        if wait.message is not None:
            is_message(wait.message)


def check_event(data: bytes) -> None:
    """Read an Event, or leave it out, and never raise."""
    raw = json_of(data)
    if isinstance(raw, dict) and (event := kubelet_event_of(raw)) is not None:
        is_event(event)


def is_event(event: KubeletEvent) -> None:
    for text in (event.namespace, event.pod, event.pod_uid, event.container or "", event.image or "", event.node or ""):
        assert isinstance(text, str)
        assert len(text) <= MAX_TEXT
    assert len(event.message) <= READ_CHARACTERS + 1
    is_message(apply_event(ImagePullStatus(), event, 1).message)
    assert math.isfinite(event.at)
    assert type(event.count) is int
    assert event.count > 0


def check_status(data: bytes) -> None:
    """Read a failed answer (a first line for Retry-After, then the body) as one line and a finite wait."""
    after, _, body = data.partition(b"\n")
    error = response_error(503, "Service Unavailable", after.decode("latin-1"), body)
    is_line(error.reason, REASON_CHARACTERS)
    assert error.retry_after_seconds is None or math.isfinite(error.retry_after_seconds)
    raw = json_of(body)
    if isinstance(raw, dict):
        error = status_error(raw)
        is_line(error.reason, REASON_CHARACTERS)
        assert type(error.status) is int
        assert error.retry_after_seconds is None or math.isfinite(error.retry_after_seconds)
