"""Which Kubernetes Events to write. Pure.

Each pod and reason gets at most one Event in 15 s, and only when the message has changed; the whole cluster stays
within the budget. If the budget is too small, pods without an Event come first, then those with the oldest one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from pulltrace.aggregator.leader.event_messages import EventDraft, Rates, draft_event, write_event
from pulltrace.aggregator.metrics.active_pulls import ActivePulls
from pulltrace.aggregator.metrics.metric_labels import registry_of
from pulltrace.aggregator.metrics.registry_baseline import RegistryBaseline
from pulltrace.kube.resources.event_recorder import KubernetesEvent
from pulltrace.pulls.view import PodView

AGAIN_SECONDS = 15.0
DRAFTS_PER_EVENT = 10
"""Unchanged messages are not written, and cost time too."""

PODS_PER_PLAN = 1000
"""Takes a few milliseconds, during which the process does nothing else."""


@dataclass(slots=True)
class _Pod:
    seen_at: float
    planned_at: dict[str, float] = field(default_factory=dict)
    """By reason: time of its last message, written or unchanged."""
    notes: dict[str, str] = field(default_factory=dict)
    """By reason: its last message."""


class EventPlanner:
    """Keeps the last messages, and the budget."""

    def __init__(self, pulls: ActivePulls, baseline: RegistryBaseline, events_per_second: float) -> None:
        self._pulls = pulls
        self._baseline = baseline
        self._per_second = events_per_second
        self._budget = 0.0
        self._refilled_at: float | None = None
        self._pods: dict[str, _Pod] = {}
        """Waiting pods, by UID."""
        self._remaining: list[str] = []
        """Ids of the pods that this round has not reached."""

    def plan(self, now: float, forbidden: Collection[str] = ()) -> list[KubernetesEvent]:
        """Return the Events to write now; none in the namespaces `forbidden`."""
        self._refill(now)
        self._update_pods(now)
        if self._budget < 1:
            return []
        rates = self._rates()
        drafts: list[tuple[float, float, EventDraft]] = []
        for pod in self._next_pods():
            known = self._pods[pod.uid]
            draft = draft_event(pod, known.seen_at, self._pulls, rates, now)
            if draft is None or pod.namespace in forbidden:
                continue
            planned_at = known.planned_at.get(draft.reason)
            if planned_at is None or now - planned_at >= AGAIN_SECONDS:
                drafts.append((max(known.planned_at.values(), default=-1.0), known.seen_at, draft))
        drafts.sort(key=lambda one: one[:2])
        events: list[KubernetesEvent] = []
        for _, _, draft in drafts[: DRAFTS_PER_EVENT * int(self._budget)]:
            if self._budget < 1:
                break
            event, known = write_event(draft, rates, now), self._pods[draft.pod.uid]
            known.planned_at[event.reason] = now
            if known.notes.get(event.reason) != event.note:
                known.notes[event.reason] = event.note
                self._budget -= 1
                events.append(event)
        return events

    def mark_unwritten(self, event: KubernetesEvent) -> None:
        """Plan an Event again: its write failed."""
        if (known := self._pods.get(event.pod_uid)) is not None:
            known.planned_at.pop(event.reason, None)
            known.notes.pop(event.reason, None)

    def _refill(self, now: float) -> None:
        """Add to the budget, which holds at most the Events of one second."""
        since = self._per_second if self._refilled_at is None else (now - self._refilled_at) * self._per_second
        self._budget, self._refilled_at = min(self._budget + since, max(self._per_second, 1.0)), now

    def _next_pods(self) -> list[PodView]:
        """Return the pods of this plan: all, or the next part of them."""
        if not self._remaining:
            self._remaining = list(self._pulls.waiting)
        keys, self._remaining = self._remaining[:PODS_PER_PLAN], self._remaining[PODS_PER_PLAN:]
        return [pod for key in keys if (pod := self._pulls.waiting.get(key)) is not None]

    def _update_pods(self, now: float) -> None:
        waiting = {pod.uid for pod in self._pulls.waiting.values()}
        for uid in self._pods.keys() - waiting:
            del self._pods[uid]
        for uid in waiting - self._pods.keys():
            self._pods[uid] = _Pod(now)

    def _rates(self) -> Rates:
        nodes: dict[str, float] = {}
        for active in self._pulls.running.values():
            nodes[active.view.node] = nodes.get(active.view.node, 0.0) + active.view.pull.bytes_per_second
        registries = {registry_of(active.view) for active in self._pulls.running.values()}
        return Rates({registry: self._baseline.rate(registry) for registry in registries}, nodes)
