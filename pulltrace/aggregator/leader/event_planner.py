"""Which Kubernetes Events are due. Pure.

For each pod and reason at most one in 15 s, and only when the text has changed; for the whole cluster no more than
the budget. Where that is not enough for all, those come first of whom nothing has been said yet, then those of whom
nothing has been said for longest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from pulltrace.aggregator.leader import event_messages
from pulltrace.aggregator.leader.event_messages import Matter
from pulltrace.aggregator.metrics.active_pulls import Live
from pulltrace.aggregator.metrics.metric_labels import registry_of
from pulltrace.aggregator.metrics.registry_baseline import Usual
from pulltrace.kube.resources.event_recorder import KubernetesEvent
from pulltrace.pulls.view import PodView

AGAIN_SECONDS = 15.0
LOOKS_PER_EVENT = 10
"""Texts that are made in vain, because nothing in them has changed, cost time too."""

POD_LOOKS = 1000
"""Pods that are looked at in one go: a few milliseconds, in which nothing else happens."""


@dataclass(slots=True)
class _Pod:
    seen_at: float
    told_at: dict[str, float] = field(default_factory=dict)
    """When each reason was last looked at."""
    notes: dict[str, str] = field(default_factory=dict)


class Announcer:
    """What has been said, and how much may be said."""

    def __init__(self, live: Live, usual: Usual, events_per_second: float) -> None:
        self._live = live
        self._usual = usual
        self._per_second = events_per_second
        self._allowed = 0.0
        self._refilled_at: float | None = None
        self._pods: dict[str, _Pod] = {}
        """By UID: the waiting pods."""
        self._turns: list[str] = []
        """Ids of the pods that are still to be looked at, before all are again."""

    def due(self, now: float, quiet: Collection[str] = ()) -> list[KubernetesEvent]:
        """What is to be said now; of pods in the namespaces `quiet` nothing."""
        self._refill(now)
        self._know(now)
        if self._allowed < 1:
            return []
        usual, rates = self._rates()
        open_matters: list[tuple[float, float, Matter]] = []
        for pod in self._turn():
            known = self._pods[pod.uid]
            matter = event_messages.matter(pod, known.seen_at, self._live, usual, rates, now)
            if matter is None or pod.namespace in quiet:
                continue
            told_at = known.told_at.get(matter.reason)
            if told_at is None or now - told_at >= AGAIN_SECONDS:
                open_matters.append((max(known.told_at.values(), default=-1.0), known.seen_at, matter))
        open_matters.sort(key=lambda one: one[:2])
        events: list[KubernetesEvent] = []
        for _, _, matter in open_matters[: LOOKS_PER_EVENT * int(self._allowed)]:
            if self._allowed < 1:
                break
            event, known = event_messages.event(matter, usual, rates, now), self._pods[matter.pod.uid]
            known.told_at[event.reason] = now
            if known.notes.get(event.reason) != event.note:
                known.notes[event.reason] = event.note
                self._allowed -= 1
                events.append(event)
        return events

    def unsaid(self, event: KubernetesEvent) -> None:
        """It could not be written: it is due again."""
        if (known := self._pods.get(event.pod_uid)) is not None:
            known.told_at.pop(event.reason, None)
            known.notes.pop(event.reason, None)

    def _refill(self, now: float) -> None:
        """A second's worth at most is saved up."""
        since = self._per_second if self._refilled_at is None else (now - self._refilled_at) * self._per_second
        self._allowed, self._refilled_at = min(self._allowed + since, max(self._per_second, 1.0)), now

    def _turn(self) -> list[PodView]:
        """The pods that are looked at now: all, or one part after the other."""
        if not self._turns:
            self._turns = list(self._live.waiting)
        keys, self._turns = self._turns[:POD_LOOKS], self._turns[POD_LOOKS:]
        return [pod for key in keys if (pod := self._live.waiting.get(key)) is not None]

    def _know(self, now: float) -> None:
        waiting = {pod.uid for pod in self._live.waiting.values()}
        for uid in self._pods.keys() - waiting:
            del self._pods[uid]
        for uid in waiting - self._pods.keys():
            self._pods[uid] = _Pod(now)

    def _rates(self) -> tuple[dict[str, float | None], dict[str, float]]:
        """What each registry that is asked now usually gives, and what all pulls of each node get."""
        rates: dict[str, float] = {}
        for running in self._live.running.values():
            rates[running.view.node] = rates.get(running.view.node, 0.0) + running.view.pull.bytes_per_second
        registries = {registry_of(running.view) for running in self._live.running.values()}
        return {registry: self._usual.rate(registry) for registry in registries}, rates
