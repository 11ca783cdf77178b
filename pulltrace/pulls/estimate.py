"""How fast a pull is and when it will be done: pure functions of what was seen.

containerd's offsets move in steps of 1 MiB or more, so the rate is taken between moments of progress,
over a window long enough to hold several of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHORT_WINDOW_SECONDS = 4.5
"""What the rate looks back on when much moves."""
ENOUGH_BYTES = 12 * 1024 * 1024
"""So much must have moved in it, or steps of 1 MiB on three connections would make the rate jump."""
WINDOW_SECONDS = 10.0
"""What it looks back on otherwise."""
LONG_WINDOW_SECONDS = 40.0
"""What it looks back on when steps are rare (a slow link moves 1 MiB in many seconds)."""
WINDOWS = (SHORT_WINDOW_SECONDS, WINDOW_SECONDS, LONG_WINDOW_SECONDS)
WANTED_STEPS = 5
SILENCE_SECONDS = 10.0
"""Without a byte for so long (and for three usual gaps) the rate is zero."""
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
    kept = tuple(step for step in before if now - step.at <= LONG_WINDOW_SECONDS)
    return (*(kept or before[-1:]), Step(now, moved_bytes))


def bytes_per_second(steps: Sequence[Step], now: float) -> float:
    """What moved a second; 0.0 while nothing moves or there is too little to tell.

    Between the first and the last step of the window. When the next step is overdue, the wait counts too.
    """
    return _rate(_window(steps, now), now)


def rate_range(steps: Sequence[Step], now: float) -> tuple[float, float]:
    """The slowest and the fastest that moved lately: over the short, the usual and the long window."""
    windows = [[step for step in steps if now - step.at <= seconds] for seconds in WINDOWS]
    rates = [_rate(window, now) for window in windows if len(window) >= WANTED_STEPS]
    rates = [rate for rate in (bytes_per_second(steps, now), *rates) if rate > 0]
    return (min(rates), max(rates)) if rates else (0.0, 0.0)


def _rate(window: Sequence[Step], now: float) -> float:
    if len(window) < 2:
        return 0.0
    first, last = window[0], window[-1]
    usual_gap = (last.at - first.at) / (len(window) - 1)
    silence = now - last.at
    if silence > max(SILENCE_SECONDS, 3 * usual_gap):
        return 0.0
    span = last.at - first.at if silence <= 2 * usual_gap else now - first.at
    return (last.moved_bytes - first.moved_bytes) / span if span > 0 else 0.0


def _window(steps: Sequence[Step], now: float) -> Sequence[Step]:
    """The newest steps that tell enough: as short as the steps' size allows, so that a new speed is soon seen."""
    for seconds in (SHORT_WINDOW_SECONDS, WINDOW_SECONDS):
        window = [step for step in steps if now - step.at <= seconds]
        enough = len(window) >= WANTED_STEPS and window[-1].moved_bytes - window[0].moved_bytes >= ENOUGH_BYTES
        if enough or (seconds == WINDOW_SECONDS and len(window) >= WANTED_STEPS):
            return window
    return steps[-WANTED_STEPS:]


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left to do for one layer."""

    download_bytes: int
    unpack_bytes: int


@dataclass(frozen=True, slots=True)
class Work:
    """What is left to do for one pull, bottom layer first, and how fast it downloads now."""

    layers: Sequence[Remaining]
    bytes_per_second: float

    @property
    def download_bytes(self) -> int:
        return sum(layer.download_bytes for layer in self.layers)


def seconds_left(works: Sequence[Work], unpack_bytes_per_second: float | None) -> list[float | None]:
    """For each pull of a node the time until its last layer is unpacked; None when bytes are missing and none arrive.

    The pulls share one link in proportion to their present rates; what one leaves when it is done goes to
    the others. A pull's layers arrive in order; each is unpacked when it is here and the one below it is
    done. Without a known unpacking speed only the download counts.
    """
    speeds = _speeds(works)
    return [
        None if work.download_bytes and not speed else _finish(work.layers, speed, unpack_bytes_per_second)
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


def _finish(layers: Sequence[Remaining], speeds: Sequence[tuple[float, float]], unpack_rate: float | None) -> float:
    """When the last layer is unpacked."""
    arrived_bytes = unpacked_at = 0.0
    for layer in layers:
        if layer.download_bytes:
            arrived_bytes += layer.download_bytes
            unpacked_at = max(unpacked_at, _when(arrived_bytes, speeds))
        if unpack_rate:
            unpacked_at += layer.unpack_bytes / unpack_rate
    return unpacked_at


def _when(arrived_bytes: float, speeds: Sequence[tuple[float, float]]) -> float:
    """The time at which so many bytes have arrived."""
    at = 0.0
    for seconds, speed in speeds:
        if arrived_bytes <= seconds * speed:
            return at + arrived_bytes / speed
        at, arrived_bytes = at + seconds, arrived_bytes - seconds * speed
    return at  # the last byte, less what rounding left


def learned_rate(known: float | None, sample: float) -> float:
    """A speed learned from samples, the newer ones weighing more."""
    return sample if known is None else known + 0.3 * (sample - known)
