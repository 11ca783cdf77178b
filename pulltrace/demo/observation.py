"""Observations of a simulated node, as `containerd.observation` makes them of a real one.

They show what containerd shows: offsets in whole MiB, no tag before the image record, no blob of a layer that was unpacked
before, and an extract snapshot from its preparation on.
"""

from __future__ import annotations

from pulltrace.containerd.observation import LayerObservation, NodeObservation, PullObservation
from pulltrace.demo.images import MIB, ImageLayer
from pulltrace.demo.node import SimulatedNode, SimulatedPull


class SimulatedObserver:
    """The observer of one agent; like the real one, it remembers the leases of its last poll."""

    def __init__(self, node: SimulatedNode) -> None:
        self._node = node
        self._last_leases: frozenset[str] | None = None

    async def observe(self) -> NodeObservation:
        return self.poll()

    def poll(self) -> NodeObservation:
        """Return the current observation."""
        running = frozenset(self._node.pulls)
        may_have_ended = self._last_leases is None or bool(self._last_leases - running)
        self._last_leases = running
        return NodeObservation(
            pulls=tuple(_pull(self._node, pull) for pull in self._node.pulls.values()),
            images=tuple(self._node.images.values()) if may_have_ended else None,
        )


def _pull(node: SimulatedNode, pull: SimulatedPull) -> PullObservation:
    resolved, has_manifest = node.now >= pull.resolved_at, node.now >= pull.manifest_at
    return PullObservation(
        lease_id=pull.lease_id,
        started_at=pull.started_at,
        has_content=resolved,
        repositories=(pull.image.repository,) if resolved else (),
        index_digest=pull.image.index_digest if resolved else None,
        manifest_digest=pull.image.manifest_digest if has_manifest else None,
        layers=tuple(_layer(node, pull, layer) for layer in pull.image.layers) if has_manifest else None,
        unpacks=has_manifest,
    )


def _layer(node: SimulatedNode, pull: SimulatedPull, layer: ImageLayer) -> LayerObservation:
    ingest = node.ingests.get(layer.digest)
    unpacked_at = node.snapshots.get(layer.chain_id)
    reused = unpacked_at is not None and unpacked_at < pull.started_at
    return LayerObservation(
        digest=layer.digest,
        size_bytes=layer.size_bytes,
        ingested_bytes=int(ingest.offset / MIB) * MIB if ingest is not None else None,
        ingest_started_at=ingest.started_at if ingest is not None else None,
        stored_at=None if reused else node.content.get(layer.digest),
        unpacked_at=unpacked_at,
        unpacking=node.extracting.get(layer.chain_id) is pull,
    )
