"""When each running pull of a node will be done: all together, because they share its link. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pulltrace.agent import layers
from pulltrace.containerd.observation import PullObservation
from pulltrace.pulls import download_rate
from pulltrace.pulls.time_left import TimeLeft


def times_left(
    observed: Mapping[str, PullObservation],
    rates: Mapping[str, download_rate.Rates],
    unpack_rate: float | None,
    now: float,
    end_seconds: float = download_rate.END_SECONDS,
) -> dict[str, TimeLeft | None]:
    """For each pull; `end_seconds` come after its last layer.

    None where there is nothing to base an estimate on, or it would be noise.
    """
    remaining = [_remaining(seen, unpack_rate, now) for seen in observed.values()]

    def seconds(speeds: Sequence[float]) -> list[float | None]:
        works = [download_rate.Work(rest, speed) for rest, speed in zip(remaining, speeds, strict=True)]
        return [None if left is None else left + end_seconds for left in download_rate.seconds_left(works)]

    left = seconds([rates[key].now for key in observed])
    soonest = seconds([rates[key].fastest for key in observed])
    latest = seconds([rates[key].slowest for key in observed])
    times: dict[str, TimeLeft | None] = {}
    for index, (key, seen) in enumerate(observed.items()):
        only_unpacks = not any(layer.download_bytes for layer in remaining[index])
        noise = seen.layers is None or now - seen.started_at < download_rate.WARM_UP_SECONDS
        unknown = noise or (only_unpacks and unpack_rate is None)
        times[key] = None if unknown else download_rate.time_left(left[index], soonest[index], latest[index])
    return times


def _remaining(seen: PullObservation, unpack_rate: float | None, now: float) -> list[download_rate.Remaining]:
    """Layers are unpacked bottom up, each as soon as it is here and the one below it is done.

    What the lower ones took says more of the upper ones than what the node is used to. A layer that takes longer than was
    expected is taken to need as long again as it is late.
    """
    remaining = []
    shown = download_rate.usual_unpacking(unpack_rate)
    below_at: float | None = seen.started_at
    for layer in seen.layers or ():
        began = max(below_at, layer.stored_at) if below_at is not None and layer.stored_at is not None else None
        seconds = 0.0
        if layer.unpacked_at is not None:
            if began is not None and layer.unpacked_at > began and layer.size_bytes >= download_rate.LEAST_BYTES:
                shown = shown.plus(layer.size_bytes, layer.unpacked_at - began)
        elif seen.unpacks:
            expected = shown.seconds_for(layer.size_bytes)
            elapsed = max(0.0, now - began) if began is not None else 0.0
            seconds = abs(expected - elapsed)
            if elapsed > expected:
                shown = shown.plus(layer.size_bytes, elapsed)
        below_at = layer.unpacked_at
        missing = 0 if layer.lazy else layer.size_bytes - layers.here(layer)
        remaining.append(download_rate.Remaining(missing, seconds))
    return remaining
