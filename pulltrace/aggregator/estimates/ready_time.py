"""When each image that is waited for will be on its node, and each pod can start. Pure.

The node's queue is played through, once with what is likely, once with the soonest and once with the latest end of
every pull. An image that was asked for, and is there when its turn comes, takes no more than the registry's answer.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence

from pulltrace.aggregator.estimates.pull_durations import LATEST, LIKELY, SOONEST, PullDurations
from pulltrace.aggregator.estimates.pull_queue import IN_ORDER, PullQueue, current
from pulltrace.aggregator.pods.pending_images import PendingImage
from pulltrace.kube.resources.pending_pods import Role
from pulltrace.pulls.view import TimeLeft

INITIALIZING = "PodInitializing"
"""The kubelet's word while init containers come first."""


def times_left(
    pods: Sequence[Sequence[PendingImage]], queue: PullQueue, conditions: PullDurations
) -> dict[str, TimeLeft | None]:
    """For each wait the time until its image is there and its container's turn has come. `pods`: all that wait on the
    node, each with its waits in the order of its kubelet. By key of the wait.
    """
    running = {row.id: conditions.seconds_left(row) for row in queue.running}
    references = {wait.name: wait.reference for waits in pods for wait in waits}
    costs = {name: conditions.pull_seconds(reference) for name, reference in references.items()}
    ends = []
    for scenario in (LIKELY, SOONEST, LATEST):
        play = _Play(
            pods,
            queue,
            conditions,
            running={key: times[scenario] for key, times in running.items()},
            costs={name: times[scenario] for name, times in costs.items()},
            pessimist=scenario == LATEST,
        )
        ends.append(play.ends())
    return {wait.key: _time_left(*(end.get(wait.key, math.inf) for end in ends)) for waits in pods for wait in waits}


def together(times: Sequence[TimeLeft | None]) -> TimeLeft | None:
    """Until the last of several is there."""
    known = [time for time in times if time is not None]
    if not known or len(known) < len(times):
        return None
    latest = [time.latest for time in known if time.latest is not None]
    return TimeLeft(
        max(time.likely for time in known),
        max(time.soonest for time in known),
        max(latest) if len(latest) == len(known) else None,
    )


def _time_left(likely: float, soonest: float, latest: float) -> TimeLeft | None:
    if likely == math.inf:
        return None
    return TimeLeft(likely, min(likely, soonest), max(likely, latest) if latest < math.inf else None)


class _Play:
    """The queue of a node, played through with one set of figures. Times are seconds from now."""

    def __init__(
        self,
        pods: Sequence[Sequence[PendingImage]],
        queue: PullQueue,
        conditions: PullDurations,
        *,
        running: Mapping[str, float],
        costs: Mapping[str, float],
        pessimist: bool,
    ) -> None:
        self._pods = pods
        self._answer_seconds = conditions.answer_seconds
        self._costs = costs
        self._pessimist = pessimist
        self._turns = {wait.key: turn for turn, wait in enumerate(queue.order)}
        self._present = dict.fromkeys(conditions.present, 0.0)
        self._present.update((row.image, running[row.id]) for row in queue.running if row.image is not None)
        """When each image is on the node."""
        self._heads = self._begun(queue, running)
        self._ends: dict[str, float] = {}
        self._comers: list[tuple[float, int, int, int]] = []
        """Who comes to ask: when, after whom, which pod, which of its waits."""
        busy = sorted(running.values())[-conditions.slots :]
        self._slots = [0.0] * (conditions.slots - len(busy)) + busy
        """When each of the node's slots is free."""

    def ends(self) -> dict[str, float]:
        """When each wait ends; without those of which nothing can be said, such as after a failure."""
        for pod, waits in enumerate(self._pods):
            if (now := current(waits)) is None:
                continue
            index = waits.index(now)
            if now.key in self._heads:
                self._end(pod, index, self._heads[now.key])
            elif self._pessimist and now.reason == INITIALIZING and now.role is Role.MAIN and now.requested_at is None:
                self._ends[now.key] = math.inf  # an init container runs, nobody knows how long
            else:
                heapq.heappush(self._comers, (0.0, self._turns.get(now.key, len(self._turns)), pod, index))
        while self._comers:
            at, _, pod, index = heapq.heappop(self._comers)
            self._pull(pod, index, at)
        return self._ends

    def _begun(self, queue: PullQueue, running: Mapping[str, float]) -> dict[str, float]:
        """For each image that is being pulled the wait that it was begun for, and its end."""
        heads: dict[str, float] = {}
        begun: set[str] = set()
        every = [wait for waits in self._pods for wait in waits]  # those of which no Event has told come last
        for wait in (*queue.order, *every):
            place = queue.places[wait.key]
            rows = (place.row,) if place.row is not None else place.among
            if rows and wait.name not in begun:
                begun.add(wait.name)
                heads[wait.key] = self._present[wait.name] = max(running.get(row.id, math.inf) for row in rows)
        return heads

    def _pull(self, pod: int, index: int, at: float) -> None:
        """The turn of a wait has come as soon as a slot is free."""
        name = self._pods[pod][index].name
        begin = max(at, heapq.heappop(self._slots))
        present = self._present.get(name, math.inf)
        end = min(begin + self._costs[name], max(present, begin + self._answer_seconds))
        self._present[name] = min(present, end)
        heapq.heappush(self._slots, end)
        self._end(pod, index, end)

    def _end(self, pod: int, index: int, at: float) -> None:
        """A wait has ended: the kubelet goes on with the pod, as far as it can without asking for another image."""
        waits = self._pods[pod]
        self._ends[waits[index].key] = at
        for later in range(index + 1, len(waits)):
            wait = waits[later]
            present = self._present.get(wait.name, math.inf)
            if wait.failure is not None or not wait.pulled:
                if wait.role in IN_ORDER:
                    return
            elif present <= at:
                self._ends[wait.key] = at
            elif self._pessimist and any(earlier.role is Role.INIT for earlier in waits[:later]):
                self._ends[wait.key] = present
            else:
                heapq.heappush(self._comers, (at, len(self._turns), pod, later))
                return
