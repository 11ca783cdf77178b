"""How fast a pull is and when it will be done: pure functions of what was seen.

containerd's offsets move in steps of 1 MiB or more, so the rate is taken between moments of progress, over as long a
time as it has been the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulltrace.pulls.thresholds import STALLED_SECONDS

MEMORY_SECONDS = 40.0
"""Older steps say nothing of the present."""
STEPS_BYTES = 3 * 1024 * 1024
"""What steps of 1 MiB on three connections hide: bytes that have arrived and do not show yet."""
UNEVEN_SECONDS = 0.75
"""An unevenness of a network that is no change of its speed: the bytes of so long."""
WANTED_STEPS = 4
"""So few can lie on any line."""
LATELY_SECONDS = 20.0
"""So long after a change it is not known yet whether the new speed will stay."""
END_SECONDS = 0.5
"""From the last layer to the image's record, and until a look sees what has happened, as long as a node has not shown it."""
PRIOR_BYTES = 8 * 1024 * 1024
"""Images differ more than nodes do (many small files are slow): so many unpacked bytes of a pull count as much as all
that its node has unpacked before."""
LEAST_BYTES = 4 * 1024 * 1024
"""What a smaller layer takes says little of the speed: making and keeping its snapshot takes most of it."""
LEARNING_BYTES = 128 * 1024 * 1024
"""A layer of this size counts as much as all that its node has unpacked before."""
UNCERTAIN_FACTOR = 1.25
UNCERTAIN_SECONDS = 2.0
"""A time left whose bounds differ by more than both is told as a range."""
WARM_UP_SECONDS = 2.0
"""A time left said earlier than this into a pull would be noise."""


@dataclass(frozen=True, slots=True)
class Step:
    """A moment at which bytes had arrived."""

    at: float
    moved_bytes: int
    """All that this pull has moved up to then."""


def add_step(steps: tuple[Step, ...], now: float, moved_bytes: int) -> tuple[Step, ...]:
    """`steps` with this moment, if bytes have moved since the last one, and without what is too old to matter.

    The step before this one always matters: on a very slow link it is the only other one.
    """
    if steps and moved_bytes <= steps[-1].moved_bytes:
        return steps
    before = tuple(step for step in steps if step.at < now)  # a clock that was set back left the others in the future
    kept = tuple(step for step in before if now - step.at <= MEMORY_SECONDS)
    return (*(kept or before[-1:]), Step(now, moved_bytes))


@dataclass(frozen=True, slots=True)
class Rates:
    """What moves a second; 0.0 while nothing moves or there is too little to tell."""

    now: float = 0.0
    slowest: float = 0.0
    fastest: float = 0.0
    """Other than `now` while a speed is so new that it may not stay."""


STANDING = Rates()


def rates(steps: Sequence[Step], now: float) -> Rates:
    """The rate is that of the newest stretch; its bounds also know that of all that is not long ago."""
    rate = _rate(newest_stretch(steps), now)
    lately = _rate([step for step in steps if now - step.at <= LATELY_SECONDS], now)
    moving = [one for one in (rate, lately) if one > 0]
    return Rates(rate, min(moving), max(moving)) if moving else STANDING


def newest_stretch(steps: Sequence[Step]) -> Sequence[Step]:
    """The newest steps over which bytes arrived evenly, as many as there are: the more, the more exact is their rate.

    Steps on the straight line from the first to the last one are of one speed. Where they leave it by more than their own
    size explains, the speed has changed: what was before the farthest of them is left out, and the rest tried again.
    """
    stretch = steps[1:] if len(steps) > WANTED_STEPS else steps  # the first waited for the registry's first byte
    while len(stretch) > WANTED_STEPS:
        first, last = stretch[0], stretch[-1]
        rate = (last.moved_bytes - first.moved_bytes) / (last.at - first.at)
        off = [abs(step.moved_bytes - first.moved_bytes - rate * (step.at - first.at)) for step in stretch]
        farthest = max(range(len(off)), key=off.__getitem__)
        if off[farthest] <= max(STEPS_BYTES, UNEVEN_SECONDS * rate):
            break
        stretch = stretch[min(farthest, len(stretch) - WANTED_STEPS) :]
    return stretch


def _rate(window: Sequence[Step], now: float) -> float:
    """Between the first and the last step. When the next step is overdue, the wait counts too."""
    if len(window) < 2:
        return 0.0
    first, last = window[0], window[-1]
    usual_gap = (last.at - first.at) / (len(window) - 1)
    silence = now - last.at
    if silence > max(STALLED_SECONDS, 3 * usual_gap):
        return 0.0
    span = last.at - first.at if silence <= 2 * usual_gap else now - first.at
    return (last.moved_bytes - first.moved_bytes) / span if span > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left to do for one layer."""

    download_bytes: int
    unpack_seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """What is left to do for one pull, bottom layer first, and how fast it downloads now."""

    layers: Sequence[Remaining]
    bytes_per_second: float

    @property
    def download_bytes(self) -> int:
        return sum(layer.download_bytes for layer in self.layers)


def seconds_left(works: Sequence[Work]) -> list[float | None]:
    """For each pull of a node the time until its last layer is unpacked; None when bytes are missing and none arrive.

    The pulls share one link in proportion to their present rates; what one leaves when it is done goes to
    the others. A pull's layers arrive in order; each is unpacked when it is here and the one below it is done.
    """
    speeds = _speeds(works)
    return [
        None if work.download_bytes and not speed else _finish(work.layers, speed)
        for work, speed in zip(works, speeds, strict=True)
    ]


def as_range(soonest: float | None, latest: float | None) -> tuple[float, float] | None:
    """The bounds of a time left, when they are so far apart that one figure would say too much."""
    if soonest is None or latest is None:
        return None
    apart = latest > soonest * UNCERTAIN_FACTOR and latest - soonest > UNCERTAIN_SECONDS
    return (soonest, latest) if apart else None


def _speeds(works: Sequence[Work]) -> list[list[tuple[float, float]]]:
    """For each pull its future speeds, as (seconds, bytes a second) one after the other; empty when it stands still."""
    link = sum(work.bytes_per_second for work in works if work.download_bytes)
    left = {
        i: float(work.download_bytes)
        for i, work in enumerate(works)
        if work.download_bytes and work.bytes_per_second > 0
    }
    speeds: list[list[tuple[float, float]]] = [[] for _ in works]
    while left:
        weight = sum(works[i].bytes_per_second for i in left)
        share = {i: link * works[i].bytes_per_second / weight for i in left}
        first = min(left, key=lambda i: left[i] / share[i])
        seconds = left[first] / share[first]
        for i in left:
            speeds[i].append((seconds, share[i]))
        left = {i: rest - seconds * share[i] for i, rest in left.items() if i != first}
    return speeds


def _finish(layers: Sequence[Remaining], speeds: Sequence[tuple[float, float]]) -> float:
    """When the last layer is unpacked."""
    arrived_bytes = unpacked_at = 0.0
    for layer in layers:
        if layer.download_bytes:
            arrived_bytes += layer.download_bytes
            unpacked_at = max(unpacked_at, _when(arrived_bytes, speeds))
        unpacked_at += layer.unpack_seconds
    return unpacked_at


def _when(arrived_bytes: float, speeds: Sequence[tuple[float, float]]) -> float:
    """The time at which so many bytes have arrived."""
    at = 0.0
    for seconds, speed in speeds:
        if arrived_bytes <= seconds * speed:
            return at + arrived_bytes / speed
        at, arrived_bytes = at + seconds, arrived_bytes - seconds * speed
    return at  # the last byte, less what rounding left


@dataclass(frozen=True, slots=True)
class Unpacking:
    """How long bytes took to be unpacked: so far in one pull, or on a node."""

    size_bytes: float = 0.0
    seconds: float = 0.0

    def plus(self, size_bytes: float, seconds: float) -> Unpacking:
        return Unpacking(self.size_bytes + size_bytes, self.seconds + seconds)

    def seconds_for(self, size_bytes: int) -> float:
        """What a layer of this size is going to take; 0.0 as long as nothing is known."""
        return self.seconds * size_bytes / self.size_bytes if self.size_bytes else 0.0


def usual_unpacking(bytes_per_second: float | None) -> Unpacking:
    """What the node's speed is worth at the beginning of a pull: few bytes of its own outweigh it."""
    return Unpacking(PRIOR_BYTES, PRIOR_BYTES / bytes_per_second) if bytes_per_second else Unpacking()


def learned_rate(known: float | None, size_bytes: int, seconds: float) -> float:
    """The node's speed of unpacking, with one more layer: the newer ones weigh more."""
    if known is None:
        return size_bytes / seconds
    weight = size_bytes / (size_bytes + LEARNING_BYTES)
    return 1 / ((1 - weight) / known + weight * seconds / size_bytes)


def learned(known: float, sample: float) -> float:
    """A duration learned from samples, the newer ones weighing more."""
    return known + 0.3 * (sample - known)
