"""Messages of the Events of a waiting pod. Pure.

A pod has one Event at a time: its pull is stalled, is slow, makes progress, or is queued. Failures are in the kubelet's
own Events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pulltrace.aggregator.metrics.active_pulls import ActivePull, ActivePulls
from pulltrace.aggregator.metrics.metric_labels import registry_of
from pulltrace.kube.errors import one_line
from pulltrace.kube.resources.event_recorder import KubernetesEvent
from pulltrace.pulls.formatting import human_bytes, spoken_seconds
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.references import parse_reference
from pulltrace.pulls.thresholds import (
    EXTRAPOLATED_SECONDS,
    SLOW_WARNING_SECONDS,
    STALLED_SECONDS,
    STALLED_WARNING_SECONDS,
    is_slow,
)
from pulltrace.pulls.view import ImageNeed, NeedState, PodView

PROGRESS, QUEUED, STALLED, SLOW = "ImagePullProgress", "ImagePullQueued", "ImagePullStalled", "ImagePullSlow"

MIN_AGE_SECONDS = 10.0
"""A younger pull or wait gets no Event."""
MAX_IMAGE_CHARACTERS = 200

FIELDS = {
    "main": "containers",
    "init": "initContainers",
    "sidecar": "initContainers",
    "ephemeral": "ephemeralContainers",
}


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes a second now."""

    registries: Mapping[str, float | None]
    """Usual rate of a pull from each registry; None while unknown."""
    nodes: Mapping[str, float]
    """Rate of all pulls of each node together."""

    def is_slow(self, active: ActivePull) -> bool:
        view = active.view
        return is_slow(view.pull, self.nodes.get(view.node, 0.0), self.registries.get(registry_of(view)))


@dataclass(frozen=True, slots=True)
class EventDraft:
    """The subject of an Event, before its message."""

    reason: str
    pod: PodView
    need: ImageNeed
    active: ActivePull | None
    """None for a queued image."""


def draft_event(pod: PodView, since: float, pulls: ActivePulls, rates: Rates, now: float) -> EventDraft | None:
    """Choose the subject of an Event of a pod that waits since `since`; None for no Event yet."""
    for need in pod.needs:
        active = pulls.running.get(need.pull_id or "")
        if need.state is NeedState.PULLING and active is not None and not active.view.stale:
            age = now - active.first_seen_at
            if age < MIN_AGE_SECONDS:
                return None
            if (active.stalled_seconds(now) or 0) >= STALLED_WARNING_SECONDS:
                return EventDraft(STALLED, pod, need, active)
            if active.view.pull.bytes_per_second > 0 and now - active.progressed_at > EXTRAPOLATED_SECONDS:
                return None
            slow = age >= SLOW_WARNING_SECONDS and rates.is_slow(active)
            return EventDraft(SLOW if slow else PROGRESS, pod, need, active)
    for need in pod.needs:
        if need.state is NeedState.QUEUED and need.behind:
            return EventDraft(QUEUED, pod, need, None) if now - since >= MIN_AGE_SECONDS else None
    return None


def write_event(draft: EventDraft, rates: Rates, now: float) -> KubernetesEvent:
    """Return the Event of a draft, with its message."""
    pod, need = draft.pod, draft.need
    field = FIELDS.get(need.role)
    return KubernetesEvent(
        namespace=pod.namespace,
        pod=pod.name,
        pod_uid=pod.uid,
        reason=draft.reason,
        note=_queued(pod, need, now) if draft.active is None else _pulling(draft, draft.active, rates, now),
        field_path=f"spec.{field}{{{need.container}}}" if field else None,
        warning=draft.reason in {STALLED, SLOW},
    )


def _pulling(draft: EventDraft, active: ActivePull, rates: Rates, now: float) -> str:
    pull, image, node = active.view.pull, _image(draft.need.image), draft.pod.node
    others = _others(draft.pod, active)
    if draft.reason == STALLED:
        seconds = active.stalled_seconds(now) or STALLED_SECONDS
        return f"{image} is stalled: no data for {spoken_seconds(seconds)}; {_share(pull)}{others}"
    if draft.reason == SLOW:
        registry = registry_of(active.view)
        usual = f"{human_bytes(rates.registries.get(registry) or 0)}/s is usual for {registry}"
        rate = f"{human_bytes(rates.nodes.get(node, 0.0))}/s on {node}"
        return f"{image} is slow: {rate}, {usual}; {_share(pull)}{_left(draft, now)}{others}"
    return f"{image} is {_progress(pull)}{_left(draft, now)}{others}"


def _progress(pull: Pull) -> str:
    if pull.phase is Phase.UNPACKING:
        return f"downloaded ({human_bytes(pull.total_bytes or pull.downloaded_bytes)}) and being unpacked"
    if pull.phase is Phase.RESOLVING or pull.total_bytes is None:
        return "being resolved; its size is unknown"
    rate = f", {human_bytes(pull.bytes_per_second)}/s" if pull.bytes_per_second > 0 else ""
    return f"{_share(pull)[:-1]}{rate})"


def _share(pull: Pull) -> str:
    """Return `61 % pulled (412 MiB of 675 MiB)`."""
    total = pull.total_bytes or 0
    percent = 100 * min(pull.downloaded_bytes, total) // total if total else 0
    return f"{percent} % pulled ({human_bytes(pull.downloaded_bytes)} of {human_bytes(total)})"


def _left(draft: EventDraft, now: float) -> str:
    if draft.need.left is not None:
        return _about(draft.need.left.likely - (now - draft.pod.estimated_at))
    left = draft.active.view.pull.time_left if draft.active is not None else None
    return _about(left.likely) if left is not None else ""


def _about(seconds: float) -> str:
    return f", about {spoken_seconds(max(seconds, 1.0))} left"


def _queued(pod: PodView, need: ImageNeed, now: float) -> str:
    first, *others = need.behind
    more = f" and {_count(len(others), 'other image')}" if others else ""
    left = _about(need.left.likely - (now - pod.estimated_at)) if need.left is not None else ""
    return f"{_image(need.image)} waits behind {_image(first.image)}{more} on {pod.node}{left}"


def _others(pod: PodView, active: ActivePull) -> str:
    pods = {(one.namespace, one.pod) for one in active.view.waiting} - {(pod.namespace, pod.name)}
    return f"; {_count(len(pods), 'other pod')} {'waits' if len(pods) == 1 else 'wait'} for it" if pods else ""


def _image(name: str) -> str:
    return one_line(str(parse_reference(name)), MAX_IMAGE_CHARACTERS)


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
