"""How fast a pull is and when it will be done: pure functions of what was seen.

containerd's offsets move in steps of 1 MiB or more, so the rate is taken between moments of progress,
over a window long enough to hold several of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW_SECONDS = 10.0
"""What the rate looks back on when progress is frequent."""
LONG_WINDOW_SECONDS = 40.0
"""What it looks back on when steps are rare (a slow link moves 1 MiB in many seconds)."""
WANTED_STEPS = 5
SILENCE_SECONDS = 10.0
"""Without a byte for so long (and for three usual gaps) the rate is zero."""
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
    window = [step for step in steps if now - step.at <= WINDOW_SECONDS]
    if len(window) < WANTED_STEPS:
        window = list(steps[-WANTED_STEPS:])
    if len(window) < 2:
        return 0.0
    first, last = window[0], window[-1]
    usual_gap = (last.at - first.at) / (len(window) - 1)
    silence = now - last.at
    if silence > max(SILENCE_SECONDS, 3 * usual_gap):
        return 0.0
    span = last.at - first.at if silence <= 2 * usual_gap else now - first.at
    return (last.moved_bytes - first.moved_bytes) / span if span > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left to do for one layer."""

    download_bytes: int
    unpack_bytes: int


def seconds_left(
    layers: Sequence[Remaining], download_bytes_per_second: float, unpack_bytes_per_second: float | None
) -> float | None:
    """Time until the last layer is unpacked; None when bytes are missing and none arrive.

    Layers arrive in order over one link; each is unpacked when it is here and the one below it is
    done. Without a known unpacking speed only the download counts.
    """
    if any(layer.download_bytes for layer in layers) and download_bytes_per_second <= 0:
        return None
    arrived = unpacked = 0.0
    for layer in layers:
        if layer.download_bytes:
            arrived += layer.download_bytes / download_bytes_per_second
        unpacked = max(unpacked, arrived)
        if unpack_bytes_per_second:
            unpacked += layer.unpack_bytes / unpack_bytes_per_second
    return unpacked


def learned_rate(known: float | None, sample: float) -> float:
    """A speed learned from samples, the newer ones weighing more."""
    return sample if known is None else known + 0.3 * (sample - known)
