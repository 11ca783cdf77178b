"""What is said of a waiting pod, in words. Pure.

Of each pod one thing is said at a time: that its pull stalls, that it is slow, how far it is, or what it waits behind. Failures are
told by the kubelet's own Events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pulltrace.aggregator.metrics.active_pulls import Live, Running
from pulltrace.aggregator.metrics.metric_labels import registry_of
from pulltrace.kube.errors import one_line
from pulltrace.kube.resources.event_recorder import KubernetesEvent
from pulltrace.pulls.formatting import human_bytes, spoken_seconds
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.references import parse_reference
from pulltrace.pulls.view import ImageNeed, NeedState, PodView

PROGRESS, QUEUED, STALLED, SLOW = "ImagePullProgress", "ImagePullQueued", "ImagePullStalled", "ImagePullSlow"

FIRST_SECONDS = 10.0
"""What has not taken so long is not worth an Event."""
SILENT_SECONDS = 20.0
"""A report of a download that moves says nothing of what is, when it is so old. As in the web UI."""
WARN_STALLED_SECONDS = 30.0
WARN_SLOW_SECONDS = 60.0
SLOW_SHARE = 0.2
"""Of what the registry usually gives: below it, a pull is slow."""
MOST_IMAGE_CHARACTERS = 200

FIELDS = {
    "main": "containers",
    "init": "initContainers",
    "sidecar": "initContainers",
    "ephemeral": "ephemeralContainers",
}


@dataclass(frozen=True, slots=True)
class Matter:
    """What is to be said of a pod, not yet in words."""

    reason: str
    pod: PodView
    need: ImageNeed
    pull: Running | None
    """None for an image that waits for its turn."""


def matter(
    pod: PodView, since: float, live: Live, usual: Mapping[str, float | None], rates: Mapping[str, float], now: float
) -> Matter | None:
    """What there is to say of a pod that has waited since `since`; None for nothing (yet).

    `usual`: bytes a second of each registry; `rates`: what all pulls of a node get now.
    """
    for need in pod.needs:
        pull = live.running.get(need.pull_id or "")
        if need.state is NeedState.PULLING and pull is not None and not pull.view.stale:
            seconds = now - pull.seen_at
            if seconds < FIRST_SECONDS:
                return None
            if (pull.stalled_seconds(now) or 0) >= WARN_STALLED_SECONDS:
                return Matter(STALLED, pod, need, pull)
            if pull.view.pull.bytes_per_second > 0 and now - pull.moved_at > SILENT_SECONDS:
                return None
            slow = seconds >= WARN_SLOW_SECONDS and _slow(pull, usual, rates)
            return Matter(SLOW if slow else PROGRESS, pod, need, pull)
    for need in pod.needs:
        if need.state is NeedState.QUEUED and need.behind:
            return Matter(QUEUED, pod, need, None) if now - since >= FIRST_SECONDS else None
    return None


def event(said: Matter, usual: Mapping[str, float | None], rates: Mapping[str, float], now: float) -> KubernetesEvent:
    """The same in words."""
    pod, need = said.pod, said.need
    field = FIELDS.get(need.role)
    return KubernetesEvent(
        namespace=pod.namespace,
        pod=pod.name,
        pod_uid=pod.uid,
        reason=said.reason,
        note=_queued(pod, need, now) if said.pull is None else _pulling(said, said.pull, usual, rates, now),
        field_path=f"spec.{field}{{{need.container}}}" if field else None,
        warning=said.reason in {STALLED, SLOW},
    )


def _pulling(
    said: Matter, running: Running, usual: Mapping[str, float | None], rates: Mapping[str, float], now: float
) -> str:
    pull, image = running.view.pull, _image(said.need.image)
    if said.reason == STALLED:
        seconds = running.stalled_seconds(now) or 0.0
        return f"{image}: no byte has arrived for {spoken_seconds(seconds)}; {_share(pull)}{_others(said.pod, running)}"
    if said.reason == SLOW:
        registry, node = registry_of(running.view), said.pod.node
        told = f"{image} is slow: {node} gets {human_bytes(rates.get(node, 0.0))}/s, and {registry} usually gives"
        return f"{told} {human_bytes(usual.get(registry) or 0)}/s; {_share(pull)}{_left(said, now)}{_others(said.pod, running)}"
    return f"{image} {_progress(pull)}{_left(said, now)}{_others(said.pod, running)}"


def _progress(pull: Pull) -> str:
    if pull.phase is Phase.UNPACKING:
        return f"is downloaded ({human_bytes(pull.total_bytes or pull.downloaded_bytes)}) and being unpacked"
    if pull.phase is Phase.RESOLVING or pull.total_bytes is None:
        return "is being asked for; its size is not known yet"
    rate = f", {human_bytes(pull.bytes_per_second)}/s" if pull.bytes_per_second > 0 else ""
    return f"is {_share(pull)[:-1]}{rate})"


def _share(pull: Pull) -> str:
    """`61 % pulled (412 MiB of 675 MiB)`."""
    total = pull.total_bytes or 0
    percent = 100 * min(pull.downloaded_bytes, total) // total if total else 0
    return f"{percent} % pulled ({human_bytes(pull.downloaded_bytes)} of {human_bytes(total)})"


def _left(said: Matter, now: float) -> str:
    left = said.need.left
    if left is not None:
        seconds: float | None = left.likely - (now - said.pod.estimated_at)
    else:
        seconds = said.pull.view.pull.seconds_left if said.pull is not None else None
    return "" if seconds is None else f", about {spoken_seconds(max(seconds, 1.0))} left"


def _queued(pod: PodView, need: ImageNeed, now: float) -> str:
    first, *others = need.behind
    more = f" and {_count(len(others), 'other image')}" if others else ""
    text = f"{_image(need.image)} waits behind {_image(first.image)}{more} on {pod.node}"
    if need.left is None:
        return text
    return f"{text}; about {spoken_seconds(max(need.left.likely - (now - pod.estimated_at), 1.0))} until it is there"


def _others(pod: PodView, running: Running) -> str:
    pods = {(one.namespace, one.pod) for one in running.view.waiting} - {(pod.namespace, pod.name)}
    return f"; {_count(len(pods), 'other pod')} {'waits' if len(pods) == 1 else 'wait'} for it" if pods else ""


def _slow(running: Running, usual: Mapping[str, float | None], rates: Mapping[str, float]) -> bool:
    view = running.view
    rate = usual.get(registry_of(view))
    # All that the node gets: pulls that share a link are not slow, they are many.
    return view.pull.phase is Phase.DOWNLOADING and rate is not None and rates.get(view.node, 0.0) < SLOW_SHARE * rate


def _image(name: str) -> str:
    return one_line(str(parse_reference(name)), MOST_IMAGE_CHARACTERS)


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
