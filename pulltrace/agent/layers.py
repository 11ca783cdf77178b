"""The state and the bytes of one observed layer, for its pull. Pure."""

from __future__ import annotations

from pulltrace.containerd.observation import LayerObservation, PullObservation
from pulltrace.pulls.model import Layer, LayerState


def to_layer(observed: LayerObservation, pull: PullObservation) -> Layer:
    """Return the layer as the agent reports it."""
    return Layer(observed.digest, observed.size_bytes, present_bytes(observed), _state(observed, pull))


def present_bytes(layer: LayerObservation) -> int:
    """Return the layer's bytes on the node."""
    if layer.lazy:
        return 0
    if layer.ingested_bytes is not None:
        return min(layer.ingested_bytes, layer.size_bytes)
    return layer.size_bytes if layer.stored_at is not None or layer.unpacked_at is not None else 0


def is_cached(layer: LayerObservation, started_at: float) -> bool:
    """Return whether the layer was on the node before: as a blob, or as a snapshot whose blob was discarded."""
    if layer.lazy or layer.ingested_bytes is not None:
        return False
    present_at = layer.stored_at if layer.stored_at is not None else layer.unpacked_at
    return present_at is not None and present_at < started_at


def _state(layer: LayerObservation, pull: PullObservation) -> LayerState:
    if layer.lazy:
        return LayerState.LAZY
    if layer.ingested_bytes is not None:  # containerd 2.1 opens the downloads of all layers at once: 0 bytes is queued
        return LayerState.DOWNLOADING if layer.ingested_bytes else LayerState.QUEUED
    if layer.unpacked_at is not None or (not pull.unpacks and layer.stored_at is not None):
        before = is_cached(layer, pull.started_at) and (layer.unpacked_at or 0.0) < pull.started_at
        return LayerState.CACHED if before else LayerState.DONE
    if layer.stored_at is not None:
        return LayerState.UNPACKING if layer.unpacking else LayerState.DOWNLOADED
    return LayerState.QUEUED
