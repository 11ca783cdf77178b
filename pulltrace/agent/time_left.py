"""When each running pull of a node will be done: all together, because they share its link. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from pulltrace.agent import layers
from pulltrace.containerd.observation import PullObservation
from pulltrace.pulls import estimate

TimeLeft: TypeAlias = tuple[float | None, tuple[float, float] | None]
"""Seconds, and their bounds while they are uncertain."""


def times_left(
    observed: Mapping[str, PullObservation],
    steps: Mapping[str, Sequence[estimate.Step]],
    unpack_rate: float | None,
    now: float,
) -> dict[str, TimeLeft]:
    """For each pull; `(None, None)` where there is nothing to base an estimate on, or it would be noise."""
    remaining = [_remaining(seen) for seen in observed.values()]
    ranges = [estimate.rate_range(steps[key], now) for key in observed]

    def seconds(rates: Sequence[float]) -> list[float | None]:
        works = [estimate.Work(rest, rate) for rest, rate in zip(remaining, rates, strict=True)]
        return estimate.seconds_left(works, unpack_rate)

    left = seconds([estimate.bytes_per_second(steps[key], now) for key in observed])
    soonest, latest = seconds([fast for _, fast in ranges]), seconds([slow for slow, _ in ranges])
    told: dict[str, TimeLeft] = {}
    for index, (key, seen) in enumerate(observed.items()):
        only_unpacks = not any(layer.download_bytes for layer in remaining[index])
        noise = seen.layers is None or now - seen.started_at < estimate.WARM_UP_SECONDS
        if noise or left[index] is None or (only_unpacks and unpack_rate is None):
            told[key] = None, None
        else:
            told[key] = left[index], estimate.as_range(soonest[index], latest[index])
    return told


def _remaining(seen: PullObservation) -> list[estimate.Remaining]:
    return [
        estimate.Remaining(
            download_bytes=0 if layer.lazy else layer.size_bytes - layers.here(layer),
            unpack_bytes=layer.size_bytes if seen.unpacks and layer.unpacked_at is None else 0,
        )
        for layer in seen.layers or ()
    ]
