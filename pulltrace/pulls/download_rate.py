"""The rate of a pull, and the time left of all pulls of a node: pure functions of what the agent polled.

containerd's offsets move in steps of 1 MiB or more. So the rate is measured between moments of progress, over as long
a time as the speed has been steady.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pulltrace.pulls.thresholds import STALLED_SECONDS
from pulltrace.pulls.time_left import TimeLeft

MAX_STEP_AGE_SECONDS = 40.0
"""Older steps are forgotten."""
HIDDEN_BYTES = 3 * 1024 * 1024
"""Bytes that have arrived and do not show yet: up to 1 MiB on each of three connections."""
JITTER_SECONDS = 0.75
"""Bytes may be early or late by this time without a change of the speed."""
MIN_STEPS = 4
"""Fewer steps fit any line."""
SETTLING_SECONDS = 20.0
"""A speed that is younger than this may not stay."""
END_SECONDS = 0.5
"""From the last layer to the poll that shows the image's record, until the agent has measured it on its node."""
PRIOR_BYTES = 8 * 1024 * 1024
"""A pull's own unpacked bytes weigh as much as the node's unpack rate from this size on. Images differ more than
nodes do: many small files are slow."""
MIN_LAYER_BYTES = 4 * 1024 * 1024
"""Smaller layers do not show the unpack rate: the snapshot itself takes most of their time."""
LEARNING_BYTES = 128 * 1024 * 1024
"""A layer of this size weighs as much as all that its node unpacked before."""
UNCERTAIN_FACTOR = 1.25
UNCERTAIN_SECONDS = 2.0
"""An estimate has bounds when they differ by more than both."""
WARM_UP_SECONDS = 2.0
"""Younger pulls have no estimate."""


@dataclass(frozen=True, slots=True)
class Step:
    """A poll that found new bytes."""

    at: float
    moved_bytes: int
    """All bytes that this pull has moved up to then."""


def add_step(steps: tuple[Step, ...], now: float, moved_bytes: int) -> tuple[Step, ...]:
    """Return `steps` with this moment, if bytes have moved since the last one, and without old steps.

    The step before this one always stays: on a very slow link it is the only other one.
    """
    if steps and moved_bytes <= steps[-1].moved_bytes:
        return steps
    before = tuple(step for step in steps if step.at < now)  # the clock may be set back
    kept = tuple(step for step in before if now - step.at <= MAX_STEP_AGE_SECONDS)
    return (*(kept or before[-1:]), Step(now, moved_bytes))


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes a second; 0.0 without progress or with too few steps."""

    now: float = 0.0
    slowest: float = 0.0
    fastest: float = 0.0
    """Bounds that differ from `now` while a speed is new."""


ZERO_RATES = Rates()


def rates(steps: Sequence[Step], now: float) -> Rates:
    """Return the rate of the newest steady steps; its bounds include the rate of the last 20 s."""
    rate = _rate(steady_steps(steps), now)
    recent = _rate([step for step in steps if now - step.at <= SETTLING_SECONDS], now)
    moving = [one for one in (rate, recent) if one > 0]
    return Rates(rate, min(moving), max(moving)) if moving else ZERO_RATES


def steady_steps(steps: Sequence[Step]) -> Sequence[Step]:
    """Return the newest steps of one speed, as many as possible: more steps give a more exact rate.

    Steps of one speed lie on the straight line from the first to the last. The speed has changed where one is farther
    off than its own size explains. Then the steps before the farthest are dropped, and the rest is tried again.
    """
    steady = steps[1:] if len(steps) > MIN_STEPS else steps  # the first waited for the registry's first byte
    while len(steady) > MIN_STEPS:
        first, last = steady[0], steady[-1]
        rate = (last.moved_bytes - first.moved_bytes) / (last.at - first.at)
        off = [abs(step.moved_bytes - first.moved_bytes - rate * (step.at - first.at)) for step in steady]
        farthest = max(range(len(off)), key=off.__getitem__)
        if off[farthest] <= max(HIDDEN_BYTES, JITTER_SECONDS * rate):
            break
        steady = steady[min(farthest, len(steady) - MIN_STEPS) :]
    return steady


def _rate(window: Sequence[Step], now: float) -> float:
    """Return the rate from the first to the last step. The wait for an overdue next step counts too."""
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
class LayerWork:
    """The work that is left for one layer."""

    download_bytes: int
    unpack_seconds: float


@dataclass(frozen=True, slots=True)
class PullWork:
    """The work that is left for one pull, bottom layer first, and its present download rate."""

    layers: Sequence[LayerWork]
    bytes_per_second: float

    @property
    def download_bytes(self) -> int:
        return sum(layer.download_bytes for layer in self.layers)


def seconds_left(works: Sequence[PullWork]) -> list[float | None]:
    """Return for each pull of a node the time until its last layer is unpacked; None for a stalled pull.

    The pulls share one link in proportion to their present rates. The share of a completed pull goes to the others.
    A pull's layers arrive in order. Each is unpacked when it is present and the one below it is unpacked.
    """
    speeds = _speeds(works)
    return [
        None if work.download_bytes and not speed else _finish(work.layers, speed)
        for work, speed in zip(works, speeds, strict=True)
    ]


def time_left(likely: float | None, soonest: float | None, latest: float | None) -> TimeLeft | None:
    """Return the estimate, with bounds only where they are far apart; None without a likely time."""
    if likely is None:
        return None
    if soonest is None or latest is None:
        return TimeLeft.exactly(likely)
    apart = latest > soonest * UNCERTAIN_FACTOR and latest - soonest > UNCERTAIN_SECONDS
    return TimeLeft(likely, soonest, latest) if apart else TimeLeft.exactly(likely)


def _speeds(works: Sequence[PullWork]) -> list[list[tuple[float, float]]]:
    """Return for each pull its future speeds, as (seconds, bytes a second) in order; empty for a stalled pull."""
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


def _finish(layers: Sequence[LayerWork], speeds: Sequence[tuple[float, float]]) -> float:
    """Return the seconds until the last layer is unpacked."""
    arrived_bytes = unpacked_at = 0.0
    for layer in layers:
        if layer.download_bytes:
            arrived_bytes += layer.download_bytes
            unpacked_at = max(unpacked_at, _when(arrived_bytes, speeds))
        unpacked_at += layer.unpack_seconds
    return unpacked_at


def _when(arrived_bytes: float, speeds: Sequence[tuple[float, float]]) -> float:
    """Return the seconds until so many bytes have arrived."""
    at = 0.0
    for seconds, speed in speeds:
        if arrived_bytes <= seconds * speed:
            return at + arrived_bytes / speed
        at, arrived_bytes = at + seconds, arrived_bytes - seconds * speed
    return at  # the last byte, but for rounding


@dataclass(frozen=True, slots=True)
class Unpacking:
    """Bytes that were unpacked, and the time that took: of one pull, or of a node."""

    size_bytes: float = 0.0
    seconds: float = 0.0

    def plus(self, size_bytes: float, seconds: float) -> Unpacking:
        return Unpacking(self.size_bytes + size_bytes, self.seconds + seconds)

    def seconds_for(self, size_bytes: int) -> float:
        """Return the expected time of a layer of this size; 0.0 while it is unknown."""
        return self.seconds * size_bytes / self.size_bytes if self.size_bytes else 0.0


def prior_unpacking(bytes_per_second: float | None) -> Unpacking:
    """Return the node's unpack rate as the first sample of a pull; few bytes of its own outweigh it."""
    return Unpacking(PRIOR_BYTES, PRIOR_BYTES / bytes_per_second) if bytes_per_second else Unpacking()


def updated_unpack_rate(known: float | None, size_bytes: int, seconds: float) -> float:
    """Return the node's unpack rate with one more layer; newer layers weigh more."""
    if known is None:
        return size_bytes / seconds
    weight = size_bytes / (size_bytes + LEARNING_BYTES)
    return 1 / ((1 - weight) / known + weight * seconds / size_bytes)


def smoothed(known: float, sample: float) -> float:
    """Return a duration with one more sample; newer samples weigh more."""
    return known + 0.3 * (sample - known)
