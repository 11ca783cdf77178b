"""What observations of a node mean over time: pulls that start, move on and end.

Pure: `advance(state, observation, now)` gives the next state. The rules:

- A pull is one containerd lease. It begins when the lease was made and ends when the lease is gone.
- A pull that was over before a look could see it began with its first blob: all that is known of its start.
- Ended with an image record written since it began: completed. Without: failed. A record that may belong to
  another pull: unknown.
- Gone while the agent was away for long, and no record: unknown, since the image may have come and gone.
- A layer that was on the node before the lease was made is cached: it is not part of what there is to
  download, and not of the rate.
- Bytes move on only. They go back when containerd itself begins a layer again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pulltrace.agent import layers
from pulltrace.agent.time_left import times_left
from pulltrace.agent.unseen_pulls import untold
from pulltrace.containerd.observation import ImageRecord, NodeObservation, PullObservation
from pulltrace.pulls import download_rate
from pulltrace.pulls.model import NEED_NO_WORK, LayerState, NodeReport, Phase, Pull
from pulltrace.pulls.thresholds import RECENT_SECONDS

RESOLVING_GRACE_SECONDS = 0.5
"""A lease that holds nothing may be a container start's, which lasts milliseconds: shown only when older."""
IMAGE_LIFE_SECONDS = 120.0
"""No kubelet removes an image sooner (imageMinimumGCAge); after a longer absence a missing record proves nothing."""
NEARLY_DONE_SECONDS = 3.0
RECENT_PULLS = 60


@dataclass(frozen=True, slots=True)
class TrackedPull:
    """A running pull, with what its next state is computed from."""

    pull: Pull
    layer_bytes: Mapping[str, int] = field(default_factory=dict)
    """Downloaded bytes by layer at the last observation."""
    moved_bytes: int = 0
    seen_at: float | None = None
    """When the last look at it began; None for one that only the Lease tells of."""
    steps: tuple[download_rate.Step, ...] = ()
    rates: download_rate.Rates = download_rate.STANDING


@dataclass(frozen=True, slots=True)
class NodeState:
    """All that the agent knows of its node."""

    running: Mapping[str, TrackedPull] = field(default_factory=dict)
    recent: tuple[Pull, ...] = ()
    """Ended pulls, newest first."""
    unpack_bytes_per_second: float | None = None
    """Learned from the layers that were unpacked here, in compressed bytes."""
    end_seconds: float = download_rate.END_SECONDS
    """How long pulls here take after their last layer, learned from those that completed."""


def restore(report: NodeReport) -> NodeState:
    """The state to go on from after a restart: what the Lease says."""
    running = {pull.id: TrackedPull(pull) for pull in report.pulls}
    return NodeState(running, report.recent, report.unpack_bytes_per_second)


def report(state: NodeState) -> NodeReport:
    """What to say of the node."""
    running = sorted((tracked.pull for tracked in state.running.values()), key=lambda pull: (pull.started_at, pull.id))
    return NodeReport(pulls=tuple(running), recent=state.recent, unpack_bytes_per_second=state.unpack_bytes_per_second)


def pull_id(node_name: str, lease_id: str, started_at: float) -> str:
    """12 hex digits: the same for the same lease, other on every node and for a lease name used again."""
    text = f"{node_name}\n{lease_id}\n{started_at:.9f}"
    return hashlib.blake2s(text.encode(), digest_size=6).hexdigest()


def advance(state: NodeState, observation: NodeObservation, now: float, node_name: str) -> NodeState:
    """The state after one more look at the node; `now` is when that look began."""
    running: dict[str, TrackedPull] = {}
    observed: dict[str, PullObservation] = {}
    unpack_rate = state.unpack_bytes_per_second
    for seen in observation.pulls:
        known = state.running.get(key := pull_id(node_name, seen.lease_id, seen.started_at))
        if known is None and not seen.has_content and now - seen.started_at < RESOLVING_GRACE_SECONDS:
            continue
        unpack_rate = _learn_unpacking(unpack_rate, known, seen)
        running[key], observed[key] = _moved_on(known, seen, key, now), seen
    running = _with_times_left(running, observed, unpack_rate, now, state.end_seconds)
    gone = [tracked for key, tracked in state.running.items() if key not in running]
    if observation.images is None:  # nobody looked for what has ended: it stays as it was
        running.update((tracked.pull.id, tracked) for tracked in gone)
        ended: list[Pull] = []
    else:
        if all(tracked.pull.target_digest is not None for tracked in gone):
            missed = {pull_id(node_name, seen.lease_id, seen.started_at): seen for seen in observation.missed}
            missed = untold(missed, state.recent, [tracked.pull for tracked in gone], observation.images)
            gone += [_moved_on(None, seen, key, now) for key, seen in missed.items()]
        claimed = frozenset(tracked.pull.target_digest for tracked in (*running.values(), *gone))
        free = tuple(image for image in observation.images if image.digest not in claimed)
        alone = sum(tracked.pull.target_digest is None for tracked in gone) == 1
        ended = [_ended(tracked, observation.images, free, now, alone=alone) for tracked in gone]
    recent = sorted((*ended, *state.recent), key=lambda pull: pull.ended_at or 0.0, reverse=True)
    recent = [pull for pull in recent if now - (pull.ended_at or 0.0) < RECENT_SECONDS]
    end_seconds = _learn_ends(state, ended)
    return NodeState(running, tuple(recent[:RECENT_PULLS]), unpack_rate, end_seconds)


def _moved_on(known: TrackedPull | None, seen: PullObservation, key: str, now: float) -> TrackedPull:
    before = known or TrackedPull(Pull(id=key, phase=Phase.RESOLVING, started_at=seen.started_at, progressed_at=now))
    pull = replace(
        before.pull,
        repositories=seen.repositories or before.pull.repositories,
        target_digest=seen.index_digest or seen.manifest_digest or before.pull.target_digest,
    )
    if seen.layers is None:
        return replace(before, pull=pull, seen_at=now)
    moved = before.moved_bytes + _newly_moved(before, seen)
    steps = download_rate.add_step(before.steps, now, moved)
    rates = download_rate.rates(steps, now)
    pull = _with_layers(pull, seen, now)
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
    return TrackedPull(pull, {layer.digest: layers.here(layer) for layer in seen.layers}, moved, now, steps, rates)


def _with_layers(pull: Pull, seen: PullObservation, now: float) -> Pull:
    observed = seen.layers or ()
    told = tuple(layers.layer(one, seen) for one in observed)
    fetched = [
        layer for layer, o in zip(told, observed, strict=True) if not (o.lazy or layers.cached(o, seen.started_at))
    ]
    missing = any(layer.downloaded_bytes < layer.size_bytes for layer in fetched)
    return replace(
        pull,
        phase=Phase.DOWNLOADING if missing else Phase.UNPACKING,
        total_bytes=sum(layer.size_bytes for layer in fetched),
        downloaded_bytes=sum(layer.downloaded_bytes for layer in fetched),
        cached_bytes=sum(o.size_bytes for o in observed if layers.cached(o, seen.started_at)),
        lazy_bytes=sum(o.size_bytes for o in observed if o.lazy),
        unpacked_bytes=sum(layer.size_bytes for layer in fetched if layer.state is LayerState.DONE),
        layer_count=len(told),
        layers_done=sum(layer.state in NEED_NO_WORK for layer in told),
        layers=told,
    )


def _newly_moved(before: TrackedPull, seen: PullObservation) -> int:
    """Bytes that arrived since the last observation; what was there at the first one is not counted."""
    if not before.layer_bytes:
        return 0
    moved = 0
    for layer in seen.layers or ():
        if layers.cached(layer, seen.started_at):
            continue
        last = before.layer_bytes.get(layer.digest, 0)
        resumed = layer.ingest_started_at is not None and layer.ingest_started_at < seen.started_at
        if last == 0 and resumed:
            continue
        moved += max(0, layers.here(layer) - last)
    return moved


def _with_times_left(
    running: Mapping[str, TrackedPull],
    observed: Mapping[str, PullObservation],
    unpack_rate: float | None,
    now: float,
    end_seconds: float,
) -> dict[str, TrackedPull]:
    rates = {key: tracked.rates for key, tracked in running.items()}
    told = times_left(observed, rates, unpack_rate, now, end_seconds)
    return {
        key: replace(tracked, pull=replace(tracked.pull, seconds_left=left, seconds_left_range=bounds))
        for key, tracked in running.items()
        for left, bounds in [told.get(key, (None, None))]
    }


def _learn_unpacking(known: float | None, tracked: TrackedPull | None, seen: PullObservation) -> float | None:
    """Adds the layers that were unpacked since the last observation to what is known of this node's speed."""
    if tracked is None or not tracked.layer_bytes or not seen.layers:  # what was unpacked before is not news
        return known
    done_before = {layer.digest for layer in tracked.pull.layers if layer.state is LayerState.DONE}
    ready_at = seen.started_at
    for layer in seen.layers:
        if layer.unpacked_at is None:
            break
        if layer.lazy:
            continue
        began = max(ready_at, layer.stored_at or layer.unpacked_at)
        ready_at = layer.unpacked_at
        enough = layer.unpacked_at > began and layer.size_bytes >= download_rate.LEAST_BYTES
        if enough and layer.digest not in done_before:
            known = download_rate.learned_rate(known, layer.size_bytes, layer.unpacked_at - began)
    return known


def _learn_ends(state: NodeState, ended: Sequence[Pull]) -> float:
    """Adds how much later than was said last the pulls have completed, for those that were nearly done then."""
    known = state.end_seconds
    for pull in ended:
        before = state.running.get(pull.id)
        left = before.pull.seconds_left if before is not None else None
        if before is None or before.seen_at is None or left is None or pull.phase is not Phase.COMPLETED:
            continue
        late = (pull.ended_at or 0.0) - before.seen_at - left
        if left < NEARLY_DONE_SECONDS:
            known = min(max(0.0, download_rate.learned(known, state.end_seconds + late)), NEARLY_DONE_SECONDS)
    return known


def _ended(
    tracked: TrackedPull, images: tuple[ImageRecord, ...], free: tuple[ImageRecord, ...], now: float, *, alone: bool
) -> Pull:
    """The pull with its outcome: an image record is the proof of success.

    A pull whose manifest was never seen (so fast, or so little) can only have written a record that is `free`
    (no known pull's), after it was last seen; when it is not `alone` in that, nobody can tell whose it is.
    """
    pull = tracked.pull
    if pull.target_digest is not None:
        records = [i for i in images if i.digest == pull.target_digest and i.updated_at >= pull.started_at]
        if not records and pull.layer_count and pull.layers_done == pull.layer_count:
            records = [i for i in images if i.digest == pull.target_digest]
    else:
        since = max(pull.started_at, tracked.seen_at or 0.0)
        records = [i for i in free if i.updated_at >= since]
    unwatched = tracked.seen_at is None and now - pull.progressed_at > IMAGE_LIFE_SECONDS
    pull = replace(
        pull, bytes_per_second=0.0, seconds_left=None, seconds_left_range=None, ended_at=now, progressed_at=now
    )
    if not records:
        return replace(pull, phase=Phase.UNKNOWN if unwatched else Phase.FAILED)
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
        target_digest=records[0].digest,  # all of one; not known before when the manifest was never seen
        downloaded_bytes=total,
        unpacked_bytes=total,
        layers_done=pull.layer_count,
        layers=tuple(
            layer
            if layer.state in NEED_NO_WORK
            else replace(layer, downloaded_bytes=layer.size_bytes, state=LayerState.DONE)
            for layer in pull.layers
        ),
    )


def _names(records: list[ImageRecord]) -> tuple[str, ...]:
    """Names for people first: with a tag, then by digest; the bare image ID that the CRI plugin adds is left out."""
    names = {image.name for image in records if not image.name.startswith("sha256:")}
    return tuple(sorted(names, key=lambda name: ("@" in name, name)))
