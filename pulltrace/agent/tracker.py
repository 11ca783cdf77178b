"""The meaning of observations over time: pulls that start, progress and end.

Pure: `advance(state, observation, now)` returns the next state. The rules:

- A pull is one containerd lease. It begins when the lease was made and ends when the lease is gone.
- A pull that ran between two polls began with its first blob: the agent knows no earlier moment.
- A pull with an image record written since it began is completed. One without is failed. A record that may belong to
  another pull makes it unknown.
- A pull without a record that ended while the agent was away for long is unknown: the image may have been removed.
- A layer that was on the node before the lease was made is cached. It counts neither as work nor for the rate.
- Bytes never go back, unless containerd starts a layer again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pulltrace.agent.layers import is_cached, present_bytes, to_layer
from pulltrace.agent.time_left import times_left
from pulltrace.agent.unseen_pulls import unreported
from pulltrace.containerd.observation import ImageRecord, LayerObservation, NodeObservation, PullObservation
from pulltrace.pulls import download_rate
from pulltrace.pulls.model import LayerState, NodeReport, Phase, Pull
from pulltrace.pulls.thresholds import RECENT_SECONDS

RESOLVING_GRACE_SECONDS = 0.5
"""A younger lease without content may belong to a container start, which lasts milliseconds."""
IMAGE_LIFE_SECONDS = 120.0
"""No kubelet removes an image sooner (imageMinimumGCAge). A missing record after a longer absence proves nothing."""
NEARLY_DONE_SECONDS = 3.0
RECENT_PULLS = 60


@dataclass(frozen=True, slots=True)
class TrackedPull:
    """A running pull, and the values that its next state is computed from."""

    pull: Pull
    layer_bytes: Mapping[str, int] = field(default_factory=dict)
    """Downloaded bytes of each layer at the last poll."""
    moved_bytes: int = 0
    polled_at: float | None = None
    """When the last poll that found it began; None for a pull that is known from the Lease only."""
    steps: tuple[download_rate.Step, ...] = ()
    rates: download_rate.Rates = download_rate.ZERO_RATES


@dataclass(frozen=True, slots=True)
class TrackerState:
    """All that the agent knows of its node."""

    running: Mapping[str, TrackedPull] = field(default_factory=dict)
    """By id."""
    recent: tuple[Pull, ...] = ()
    """Ended pulls, newest first."""
    unpack_bytes_per_second: float | None = None
    """Learned from the layers that this node unpacked, in compressed bytes."""
    end_seconds: float = download_rate.END_SECONDS
    """From a pull's last layer to its end, learned from the completed pulls of this node."""


def restore(report: NodeReport) -> TrackerState:
    """Return the state to continue from after a restart: the content of the Lease."""
    running = {pull.id: TrackedPull(pull) for pull in report.pulls}
    return TrackerState(running, report.recent, report.unpack_bytes_per_second)


def report(state: TrackerState, *, failed_polls: int = 0, error: str | None = None) -> NodeReport:
    """Return the report of the node, running pulls oldest first."""
    running = sorted((tracked.pull for tracked in state.running.values()), key=lambda pull: (pull.started_at, pull.id))
    return NodeReport(
        pulls=tuple(running),
        recent=state.recent,
        unpack_bytes_per_second=state.unpack_bytes_per_second,
        failed_polls=failed_polls,
        error=error,
    )


def pull_id(node_name: str, lease_id: str, started_at: float) -> str:
    """Return 12 hex digits: the same for one lease, different on every node and for a lease name used again."""
    text = f"{node_name}\n{lease_id}\n{started_at:.9f}"
    return hashlib.blake2s(text.encode(), digest_size=6).hexdigest()


def advance(state: TrackerState, observation: NodeObservation, now: float, node_name: str) -> TrackerState:
    """Return the state after one more poll of the node; `now` is when that poll began."""
    running: dict[str, TrackedPull] = {}
    observed: dict[str, PullObservation] = {}
    unpack_rate = state.unpack_bytes_per_second
    for pull in observation.pulls:
        known = state.running.get(key := pull_id(node_name, pull.lease_id, pull.started_at))
        if known is None and not pull.has_content and now - pull.started_at < RESOLVING_GRACE_SECONDS:
            continue
        unpack_rate = _learn_unpack_rate(unpack_rate, known, pull)
        running[key], observed[key] = _advance_pull(known, pull, key, now), pull
    rates = {key: tracked.rates for key, tracked in running.items()}
    times = times_left(observed, rates, unpack_rate, now, state.end_seconds)
    for key, tracked in running.items():
        running[key] = replace(tracked, pull=replace(tracked.pull, time_left=times[key]))
    gone = [tracked for key, tracked in state.running.items() if key not in running]
    if observation.images is None:  # the poll did not read how pulls ended: these stay as they were
        running.update((tracked.pull.id, tracked) for tracked in gone)
        ended: list[Pull] = []
    else:
        if all(tracked.pull.target_digest is not None for tracked in gone):
            unseen = {pull_id(node_name, pull.lease_id, pull.started_at): pull for pull in observation.unseen}
            unseen = unreported(unseen, state.recent, [tracked.pull for tracked in gone], observation.images)
            gone += [_advance_pull(None, pull, key, now) for key, pull in unseen.items()]
        claimed = frozenset(tracked.pull.target_digest for tracked in (*running.values(), *gone))
        free = tuple(image for image in observation.images if image.digest not in claimed)
        alone = sum(tracked.pull.target_digest is None for tracked in gone) == 1
        ended = [_ended(tracked, observation.images, free, now, alone=alone) for tracked in gone]
    recent = sorted((*ended, *state.recent), key=lambda pull: pull.ended_at or 0.0, reverse=True)
    recent = [pull for pull in recent if now - (pull.ended_at or 0.0) < RECENT_SECONDS]
    return TrackerState(running, tuple(recent[:RECENT_PULLS]), unpack_rate, _learn_end_seconds(state, ended))


def _advance_pull(known: TrackedPull | None, observed: PullObservation, key: str, now: float) -> TrackedPull:
    started_at = observed.started_at
    before = known or TrackedPull(Pull(id=key, phase=Phase.RESOLVING, started_at=started_at, progressed_at=now))
    pull = replace(
        before.pull,
        repositories=observed.repositories or before.pull.repositories,
        target_digest=observed.index_digest or observed.manifest_digest or before.pull.target_digest,
    )
    if observed.layers is None:
        return replace(before, pull=pull, polled_at=now)
    moved = before.moved_bytes + _newly_moved(before, observed, observed.layers)
    steps = download_rate.add_step(before.steps, now, moved)
    rates = download_rate.rates(steps, now)
    pull = _with_layers(pull, observed, observed.layers)
    progressed = (
        moved > before.moved_bytes
        or pull.phase is not before.pull.phase
        or pull.unpacked_bytes != before.pull.unpacked_bytes
    )
    pull = replace(
        pull,
        progressed_at=now if progressed else before.pull.progressed_at,
        bytes_per_second=rates.now if pull.phase is Phase.DOWNLOADING else 0.0,
    )
    layer_bytes = {layer.digest: layer.downloaded_bytes for layer in pull.layers}
    return TrackedPull(pull, layer_bytes, moved, now, steps, rates)


def _with_layers(pull: Pull, observed: PullObservation, observations: Sequence[LayerObservation]) -> Pull:
    layers = tuple(to_layer(layer, observed) for layer in observations)
    cached = [is_cached(layer, observed.started_at) for layer in observations]
    fetched = [
        layer for layer, before in zip(layers, cached, strict=True) if not before and layer.state is not LayerState.LAZY
    ]
    missing = any(layer.downloaded_bytes < layer.size_bytes for layer in fetched)
    return replace(
        pull,
        phase=Phase.DOWNLOADING if missing else Phase.UNPACKING,
        total_bytes=sum(layer.size_bytes for layer in fetched),
        downloaded_bytes=sum(layer.downloaded_bytes for layer in fetched),
        cached_bytes=sum(layer.size_bytes for layer, before in zip(layers, cached, strict=True) if before),
        lazy_bytes=sum(layer.size_bytes for layer in layers if layer.state is LayerState.LAZY),
        unpacked_bytes=sum(layer.size_bytes for layer in fetched if layer.state is LayerState.DONE),
        layer_count=len(layers),
        layers_done=sum(layer.state.finished for layer in layers),
        layers=layers,
    )


def _newly_moved(before: TrackedPull, observed: PullObservation, observations: Sequence[LayerObservation]) -> int:
    """Return the bytes that arrived since the last poll; the first poll of a pull counts none."""
    if not before.layer_bytes:
        return 0
    moved = 0
    for layer in observations:
        if is_cached(layer, observed.started_at):
            continue
        last = before.layer_bytes.get(layer.digest, 0)
        resumed = layer.ingest_started_at is not None and layer.ingest_started_at < observed.started_at
        if last == 0 and resumed:
            continue
        moved += max(0, present_bytes(layer) - last)
    return moved


def _learn_unpack_rate(known: float | None, tracked: TrackedPull | None, observed: PullObservation) -> float | None:
    """Return the node's unpack rate with the layers that were unpacked since the last poll."""
    if tracked is None or not tracked.layer_bytes or not observed.layers:  # the first poll has nothing to compare
        return known
    done_before = {layer.digest for layer in tracked.pull.layers if layer.state is LayerState.DONE}
    below_at = observed.started_at
    for layer in observed.layers:
        if layer.unpacked_at is None:
            break
        if layer.lazy:
            continue
        began = max(below_at, layer.stored_at or layer.unpacked_at)
        below_at = layer.unpacked_at
        enough = layer.unpacked_at > began and layer.size_bytes >= download_rate.MIN_LAYER_BYTES
        if enough and layer.digest not in done_before:
            known = download_rate.updated_unpack_rate(known, layer.size_bytes, layer.unpacked_at - began)
    return known


def _learn_end_seconds(state: TrackerState, ended: Sequence[Pull]) -> float:
    """Return `end_seconds` with the error of the last estimate of each pull that completed nearly done."""
    known = state.end_seconds
    for pull in ended:
        before = state.running.get(pull.id)
        left = before.pull.time_left if before is not None else None
        if before is None or before.polled_at is None or left is None or pull.phase is not Phase.COMPLETED:
            continue
        late = (pull.ended_at or 0.0) - before.polled_at - left.likely
        if left.likely < NEARLY_DONE_SECONDS:
            known = min(max(0.0, download_rate.smoothed(known, state.end_seconds + late)), NEARLY_DONE_SECONDS)
    return known


def _ended(
    tracked: TrackedPull, images: tuple[ImageRecord, ...], free: tuple[ImageRecord, ...], now: float, *, alone: bool
) -> Pull:
    """Return the pull with its outcome: an image record is the proof of success.

    A pull whose manifest no poll has read can only have written a `free` record (of no known pull) after its last poll.
    Unless it is `alone` in that, the record may be another's.
    """
    pull = tracked.pull
    if pull.target_digest is not None:
        records = [i for i in images if i.digest == pull.target_digest and i.updated_at >= pull.started_at]
        if not records and pull.layer_count and pull.layers_done == pull.layer_count:
            records = [i for i in images if i.digest == pull.target_digest]
    else:
        since = max(pull.started_at, tracked.polled_at or 0.0)
        records = [i for i in free if i.updated_at >= since]
    away = tracked.polled_at is None and now - pull.progressed_at > IMAGE_LIFE_SECONDS
    pull = replace(pull, bytes_per_second=0.0, time_left=None, ended_at=now, progressed_at=now)
    if not records:
        return replace(pull, phase=Phase.UNKNOWN if away else Phase.FAILED)
    if len({i.digest for i in records}) > 1 or (pull.target_digest is None and not alone):
        return replace(pull, phase=Phase.UNKNOWN)
    total = pull.total_bytes or 0
    written_at = max(image.updated_at for image in records)
    ended_at = max(min(now, written_at), pull.started_at) if written_at >= pull.started_at else now
    return replace(
        pull,
        phase=Phase.COMPLETED,
        ended_at=ended_at,
        progressed_at=ended_at,
        names=_names(records),
        target_digest=records[0].digest,  # all records have one digest
        downloaded_bytes=total,
        unpacked_bytes=total,
        layers_done=pull.layer_count,
        layers=tuple(
            layer if layer.state.finished else replace(layer, downloaded_bytes=layer.size_bytes, state=LayerState.DONE)
            for layer in pull.layers
        ),
    )


def _names(records: list[ImageRecord]) -> tuple[str, ...]:
    """Return tagged names first, then those by digest, without the bare image ID that the CRI plugin records."""
    names = {image.name for image in records if not image.name.startswith("sha256:")}
    return tuple(sorted(names, key=lambda name: ("@" in name, name)))
