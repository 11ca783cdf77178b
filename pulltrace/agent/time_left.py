"""The time left of every running pull of a node. The pulls share its link, so they are estimated together. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pulltrace.agent.layers import present_bytes
from pulltrace.containerd.observation import PullObservation
from pulltrace.pulls import download_rate
from pulltrace.pulls.download_rate import LayerWork, PullWork, Rates
from pulltrace.pulls.time_left import TimeLeft


def times_left(
    observed: Mapping[str, PullObservation],
    rates: Mapping[str, Rates],
    unpack_rate: float | None,
    now: float,
    end_seconds: float = download_rate.END_SECONDS,
) -> dict[str, TimeLeft | None]:
    """Return the time left of each pull by its id; None without a basis, or while the estimate would be noise.

    `end_seconds` pass after a pull's last layer.
    """
    layers = [_layer_works(pull, unpack_rate, now) for pull in observed.values()]

    def seconds(speeds: Sequence[float]) -> list[float | None]:
        works = [PullWork(work, speed) for work, speed in zip(layers, speeds, strict=True)]
        return [None if left is None else left + end_seconds for left in download_rate.seconds_left(works)]

    likely = seconds([rates[pull_id].now for pull_id in observed])
    soonest = seconds([rates[pull_id].fastest for pull_id in observed])
    latest = seconds([rates[pull_id].slowest for pull_id in observed])
    times: dict[str, TimeLeft | None] = {}
    for index, (pull_id, pull) in enumerate(observed.items()):
        only_unpacks = not any(layer.download_bytes for layer in layers[index])
        noise = pull.layers is None or now - pull.started_at < download_rate.WARM_UP_SECONDS
        unknown = noise or (only_unpacks and unpack_rate is None)
        times[pull_id] = None if unknown else download_rate.time_left(likely[index], soonest[index], latest[index])
    return times


def _layer_works(pull: PullObservation, unpack_rate: float | None, now: float) -> list[LayerWork]:
    """Return the work left for each layer: unpacked bottom up, as soon as it is present and the one below is unpacked.

    A pull's lower layers predict its upper ones better than the node's unpack rate does. A layer that takes longer than
    expected is expected to take as long again as it is late.
    """
    works = []
    unpacking = download_rate.prior_unpacking(unpack_rate)
    below_at: float | None = pull.started_at
    for layer in pull.layers or ():
        began = max(below_at, layer.stored_at) if below_at is not None and layer.stored_at is not None else None
        seconds = 0.0
        if layer.unpacked_at is not None:
            if began is not None and layer.unpacked_at > began and layer.size_bytes >= download_rate.MIN_LAYER_BYTES:
                unpacking = unpacking.plus(layer.size_bytes, layer.unpacked_at - began)
        elif pull.unpacks:
            expected = unpacking.seconds_for(layer.size_bytes)
            elapsed = max(0.0, now - began) if began is not None else 0.0
            seconds = abs(expected - elapsed)
            if elapsed > expected:
                unpacking = unpacking.plus(layer.size_bytes, elapsed)
        below_at = layer.unpacked_at
        works.append(LayerWork(0 if layer.lazy else layer.size_bytes - present_bytes(layer), seconds))
    return works
