"""When each pending image becomes present, and each pod can start. Pure.

The node's queue is simulated three times: with the likely, the soonest and the latest end of every pull. A requested
image that is present before its turn takes no more than the registry's answer.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence

from pulltrace.aggregator.estimates.pull_durations import LATEST, LIKELY, SOONEST, PullDurations
from pulltrace.aggregator.estimates.pull_queue import IN_ORDER, PullQueue, current_image
from pulltrace.aggregator.pods.pending_images import PendingImage
from pulltrace.kube.resources.pending_pods import Role
from pulltrace.pulls.time_left import TimeLeft, last_of

INITIALIZING = "PodInitializing"
"""The kubelet's reason while init containers run."""


def image_times(
    pods: Sequence[Sequence[PendingImage]], queue: PullQueue, durations: PullDurations
) -> dict[str, TimeLeft | None]:
    """Return the time until each image is present for its container, by key of the pending image.

    `pods`: the pending images of all waiting pods of the node, each in its kubelet's order.
    """
    running = {row.id: durations.seconds_left(row) for row in queue.running}
    references = {image.name: image.reference for images in pods for image in images}
    costs = {name: durations.pull_seconds(reference) for name, reference in references.items()}
    ends = []
    for scenario in (LIKELY, SOONEST, LATEST):
        simulation = _Simulation(
            pods,
            queue,
            durations,
            running={key: times[scenario] for key, times in running.items()},
            costs={name: times[scenario] for name, times in costs.items()},
            pessimistic=scenario == LATEST,
        )
        ends.append(simulation.run())
    return {
        image.key: _time_left(*(end.get(image.key, math.inf) for end in ends)) for images in pods for image in images
    }


def time_to_start(images: Sequence[TimeLeft | None], start_seconds: float) -> TimeLeft | None:
    """Return the time until a pod runs: its last image, and its start; None while an image has no estimate.

    `images`: of its pending images. Without any, Events report all images as present before the status does.
    `start_seconds`: from a pod's last image to its start, on this node.
    """
    last = last_of(images) if images else TimeLeft(0.0, 0.0, 0.0)
    if last is None:
        return None
    latest = last.latest + start_seconds if last.latest is not None else None
    return TimeLeft(last.likely + start_seconds, last.soonest, latest)


def _time_left(likely: float, soonest: float, latest: float) -> TimeLeft | None:
    if likely == math.inf:
        return None
    return TimeLeft(likely, min(likely, soonest), max(likely, latest) if latest < math.inf else None)


class _Simulation:
    """A run through a node's queue with one set of durations. Times are seconds from now."""

    def __init__(
        self,
        pods: Sequence[Sequence[PendingImage]],
        queue: PullQueue,
        durations: PullDurations,
        *,
        running: Mapping[str, float],
        costs: Mapping[str, float],
        pessimistic: bool,
    ) -> None:
        self._pods = pods
        self._answer_seconds = durations.answer_seconds
        self._costs = costs
        self._pessimistic = pessimistic
        self._positions = {image.key: position for position, image in enumerate(queue.order)}
        self._present_at = dict.fromkeys(durations.present, 0.0)
        self._present_at.update((row.image, running[row.id]) for row in queue.running if row.image is not None)
        """By name of the image."""
        self._started = self._started_ends(queue, running)
        self._ends: dict[str, float] = {}
        self._requests: list[tuple[float, int, int, int]] = []
        """Time of the request, position in the queue, index of the pod, index of its image."""
        busy = sorted(running.values())[-durations.slots :]
        self._slots_free_at = [0.0] * (durations.slots - len(busy)) + busy

    def run(self) -> dict[str, float]:
        """Return the end of each image's wait; without unknown ones, such as after a failure."""
        for pod, images in enumerate(self._pods):
            if (now := current_image(images)) is None:
                continue
            index = images.index(now)
            if now.key in self._started:
                self._end(pod, index, self._started[now.key])
            elif (
                self._pessimistic and now.reason == INITIALIZING and now.role is Role.MAIN and now.requested_at is None
            ):
                self._ends[now.key] = math.inf  # an init container runs for an unknown time
            else:
                heapq.heappush(self._requests, (0.0, self._positions.get(now.key, len(self._positions)), pod, index))
        while self._requests:
            at, _, pod, index = heapq.heappop(self._requests)
            self._pull(pod, index, at)
        return self._ends

    def _started_ends(self, queue: PullQueue, running: Mapping[str, float]) -> dict[str, float]:
        """Return the end of each running pull, by the key of the pending image that it was started for."""
        ends: dict[str, float] = {}
        started: set[str] = set()
        every = [image for images in self._pods for image in images]  # images without a request come last
        for image in (*queue.order, *every):
            place = queue.places[image.key]
            rows = (place.row,) if place.row is not None else place.among
            if rows and image.name not in started:
                started.add(image.name)
                ends[image.key] = self._present_at[image.name] = max(running.get(row.id, math.inf) for row in rows)
        return ends

    def _pull(self, pod: int, index: int, at: float) -> None:
        """Pull a requested image as soon as a slot is free."""
        name = self._pods[pod][index].name
        start = max(at, heapq.heappop(self._slots_free_at))
        present_at = self._present_at.get(name, math.inf)
        end = min(start + self._costs[name], max(present_at, start + self._answer_seconds))
        self._present_at[name] = min(present_at, end)
        heapq.heappush(self._slots_free_at, end)
        self._end(pod, index, end)

    def _end(self, pod: int, index: int, at: float) -> None:
        """End an image's wait, and go on with its pod up to the next request."""
        images = self._pods[pod]
        self._ends[images[index].key] = at
        for later in range(index + 1, len(images)):
            image = images[later]
            present_at = self._present_at.get(image.name, math.inf)
            if image.failure is not None or not image.is_pullable:
                if image.role in IN_ORDER:
                    return
            elif present_at <= at:
                self._ends[image.key] = at
            elif self._pessimistic and any(earlier.role is Role.INIT for earlier in images[:later]):
                self._ends[image.key] = present_at
            else:
                heapq.heappush(self._requests, (at, len(self._positions), pod, later))
                return
