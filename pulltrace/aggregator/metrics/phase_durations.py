"""How long each phase of a pull took, from the sequence of its changes. Pure.

`queue` is the time between the kubelet's request for an image and its pull; then come `resolve`, `download` and
`unpack`. A phase counts when it ends, and only if its start was seen. The phase in which a pull fails does not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pulltrace.aggregator.metrics.metric_labels import registry_of, registry_of_image
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import AnyChange, NeedState, PodChange, PodView, PullChange, Snapshot

NAMES = {Phase.RESOLVING: "resolve", Phase.DOWNLOADING: "download", Phase.UNPACKING: "unpack"}
QUEUE = "queue"
PHASES = (QUEUE, *NAMES.values())


@dataclass(frozen=True, slots=True)
class PhaseDuration:
    """A phase that has ended."""

    phase: str
    registry: str
    seconds: float


class PhaseDurations:
    """Phases of running pulls, and queued images."""

    def __init__(self) -> None:
        self._phases: dict[str, tuple[Phase, float | None]] = {}
        """Phase of each running pull, and its start; None for a start before this process's."""
        self._queued: dict[tuple[str, str], float] = {}
        """Time of the request, by node and image."""

    def reset(self, snapshot: Snapshot) -> None:
        """Start from a snapshot: the starts of its phases are unknown."""
        self._phases = {
            key: self._phases.get(key) or (view.pull.phase, None)
            for key, view in snapshot.pulls.items()
            if not view.pull.phase.ended
        }
        self._queued.clear()

    def apply(self, changes: Iterable[AnyChange], now: float) -> list[PhaseDuration]:
        """Return the phases that end with these changes."""
        ended: list[PhaseDuration] = []
        for change in changes:
            ended += self._apply_pull(change, now) if isinstance(change, PullChange) else self._apply_pod(change, now)
        return ended

    def _apply_pull(self, change: PullChange, now: float) -> Iterable[PhaseDuration]:
        view = change.after
        if view is None:
            self._phases.pop(change.before.id if change.before else "", None)
            return
        pull, known = view.pull, self._phases.get(view.id)
        if known is None:
            if change.before is None and not pull.phase.ended:
                # The first report of a pull has its age.
                age = max(0.0, pull.progressed_at - pull.started_at)
                if pull.phase is Phase.RESOLVING:
                    self._phases[view.id] = pull.phase, now - age
                else:
                    self._phases[view.id] = pull.phase, now
                    if pull.phase is Phase.DOWNLOADING:
                        yield PhaseDuration(NAMES[Phase.RESOLVING], registry_of(view), age)
            return
        phase, since = known
        if pull.phase is phase:
            return
        if since is not None and pull.phase not in {Phase.FAILED, Phase.UNKNOWN}:
            yield PhaseDuration(NAMES[phase], registry_of(view), now - since)
        if pull.phase.ended:
            del self._phases[view.id]
        else:
            self._phases[view.id] = pull.phase, now

    def _apply_pod(self, change: PodChange, now: float) -> Iterable[PhaseDuration]:
        before, after = _needs(change.before), _needs(change.after)
        for key, state in before.items():
            if state is NeedState.QUEUED and after.get(key) is not NeedState.QUEUED:
                since = self._queued.pop(key, None)
                if since is not None and after.get(key) is NeedState.PULLING:
                    yield PhaseDuration(QUEUE, registry_of_image(key[1]), now - since)
        for key, state in after.items():
            if state is NeedState.QUEUED:
                self._queued.setdefault(key, now)


def _needs(pod: PodView | None) -> dict[tuple[str, str], NeedState]:
    return {} if pod is None else {(pod.node, need.image): need.state for need in pod.needs}
