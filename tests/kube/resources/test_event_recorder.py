"""The objects of Events; tests/conformance writes them to a real API server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pulltrace.kube.resources.event_recorder import MAX_NOTE_BYTES, KubernetesEvent, count_of, first_event, repetition

EVENT = KubernetesEvent("shop", "web-1", "uid-1", "ImagePullProgress", "61 % pulled", "spec.containers{web}")
NOW = 1_763_910_000.5


def test_a_first_event() -> None:
    """It has pod, reason, message, component and times, in the newer and the older fields."""
    assert first_event(EVENT, "aggregator-1", NOW) == {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": EVENT.name, "namespace": "shop"},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "namespace": "shop",
            "name": "web-1",
            "uid": "uid-1",
            "fieldPath": "spec.containers{web}",
        },
        "type": "Normal",
        "reason": "ImagePullProgress",
        "action": "PullImage",
        "message": "61 % pulled",
        "eventTime": "2025-11-23T15:00:00.500000Z",
        "firstTimestamp": "2025-11-23T15:00:00Z",
        "lastTimestamp": "2025-11-23T15:00:00Z",
        "count": 1,
        "reportingComponent": "pulltrace.io/aggregator",
        "reportingInstance": "aggregator-1",
    }


def test_the_next_is_a_series() -> None:
    """The patch has only the changed fields."""
    assert repetition(replace(EVENT, warning=True), "aggregator-2", 7, NOW) == {
        "type": "Warning",
        "message": "61 % pulled",
        "reportingInstance": "aggregator-2",
        "lastTimestamp": "2025-11-23T15:00:00Z",
        "count": 7,
        "series": {"count": 7, "lastObservedTime": "2025-11-23T15:00:00.500000Z"},
    }


def test_the_name_follows_from_pod_and_reason() -> None:
    """So that every leader finds the same object, and a new pod of the same name gets one of its own."""
    names = {
        EVENT.name,
        replace(EVENT, note="62 %", warning=True).name,
        replace(EVENT, reason="ImagePullStalled").name,
        replace(EVENT, pod_uid="uid-2").name,
    }

    assert len(names) == 3
    assert all(name.startswith("web-1.pulltrace-") for name in names)


def test_the_longest_name_of_a_pod_fits() -> None:
    """An Event's name is a DNS name of at most 253 characters, cut where a part of it may end."""
    name = replace(EVENT, pod="a" * 219 + "-" + "b" * 33).name

    assert len(name) <= 253
    assert name.startswith("a" * 219 + ".pulltrace-")


def test_a_long_note_is_cut_between_characters() -> None:
    """The limit is in bytes."""
    note = first_event(replace(EVENT, note="ü" * 1000), "x" * 300, NOW)

    assert note["message"] == "ü" * (MAX_NOTE_BYTES // 2)
    assert len(note["reportingInstance"]) == 128


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        ({"series": {"count": 5}, "count": 3}, 5),
        ({"count": 3}, 3),
        ({"series": {"count": "many"}, "count": -1}, 1),
        ({}, 1),
        (None, 1),
    ],
)
def test_the_count_of_an_existing_event(raw: Any, count: int) -> None:
    """An invalid count is one."""
    assert count_of(raw) == count
