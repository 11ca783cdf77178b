"""What one observed layer means for the pull that it belongs to. Pure."""

from __future__ import annotations

from pulltrace.containerd.observation import LayerObservation, PullObservation
from pulltrace.pulls.model import Layer, LayerState


def layer(seen: LayerObservation, pull: PullObservation) -> Layer:
    """The layer as it is told."""
    if seen.lazy:
        return Layer(seen.digest, seen.size_bytes, 0, LayerState.LAZY)
    unpacked = seen.unpacked_at is not None or (not pull.unpacks and seen.stored_at is not None)
    if seen.ingested_bytes:
        state = LayerState.DOWNLOADING
    elif seen.ingested_bytes == 0:  # containerd 2.1 opens the downloads of all layers at once and lets them wait
        state = LayerState.QUEUED
    elif unpacked:
        before = cached(seen, pull.started_at) and (seen.unpacked_at or 0.0) < pull.started_at
        state = LayerState.CACHED if before else LayerState.DONE
    elif seen.stored_at is not None:
        state = LayerState.UNPACKING if seen.unpacking else LayerState.DOWNLOADED
    else:
        state = LayerState.QUEUED
    return Layer(seen.digest, seen.size_bytes, here(seen), state)


def here(layer: LayerObservation) -> int:
    """Its bytes on the node."""
    if layer.lazy:
        return 0
    if layer.ingested_bytes is not None:
        return min(layer.ingested_bytes, layer.size_bytes)
    return layer.size_bytes if layer.stored_at is not None or layer.unpacked_at is not None else 0


def cached(layer: LayerObservation, started_at: float) -> bool:
    """Whether the layer was on the node before: as a blob, or (blobs can be discarded) as a snapshot."""
    if layer.lazy or layer.ingested_bytes is not None:
        return False
    came = layer.stored_at if layer.stored_at is not None else layer.unpacked_at
    return came is not None and came < started_at
