"""What a node shows of its pulls at one moment, read from containerd.

One containerd lease is one pull. Its resources name the blobs and snapshots of exactly that pull;
the manifest gives the sizes, the config the snapshots that the layers become. What never changes
(manifests, configs, what was there before) is asked once and remembered for as long as the lease lives.

This module tells what is there; what it means over time is `agent.tracker`'s. Another source of
pulls (CRI-O, a kubelet endpoint) would give the same `NodeObservation`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pulltrace.containerd.client import ContainerdClient, NotFound
from pulltrace.containerd.content import Blobs
from pulltrace.containerd.lease_filter import half_recorded, image_name, is_pull, ref_digest, seconds
from pulltrace.containerd.manifests import Config, Index, LayerSpec, Manifest, chain_ids, repositories
from pulltrace.containerd.proto import containerd_pb2 as pb
from pulltrace.containerd.pull_cache import Memory

DEFAULT_SNAPSHOTTER = "overlayfs"
LAZY_LABEL = "containerd.io/snapshot/remote"
"""stargz, SOCI, nydus and others put it on a snapshot that they serve from the registry."""
RECORDING_SECONDS = 2.0
"""A record that is half written and younger may be of a pull that is about to succeed."""
CONFIG_PATIENCE = 5
"""Observations to wait for the config: before it is here, cached layers cannot be told from queued ones."""


@dataclass(frozen=True, slots=True)
class LayerObservation:
    """A layer of a pull, as containerd shows it now."""

    digest: str
    size_bytes: int
    ingested_bytes: int | None = None
    """What a running download has written; None when no download of it runs."""
    ingest_started_at: float | None = None
    """Before the pull's own start when the download of an earlier, broken pull is resumed."""
    stored_at: float | None = None
    """When the whole blob came to be on the node; None while it is not."""
    unpacked_at: float | None = None
    """When its snapshot was committed; None while it is not."""
    unpacking: bool = False
    lazy: bool = False
    """Its snapshot came without the blob: a lazy snapshotter fetches the bytes when they are read."""


@dataclass(frozen=True, slots=True)
class PullObservation:
    """A pull that runs."""

    lease_id: str
    started_at: float
    has_content: bool = False
    """False while the registry is still asked what the reference means."""
    repositories: tuple[str, ...] = ()
    index_digest: str | None = None
    manifest_digest: str | None = None
    layers: tuple[LayerObservation, ...] | None = None
    """Every distinct layer, bottom first; None until the manifest (and config) can be read."""
    unpacks: bool = True
    """False for what has no file system to unpack (an artefact), or whose config is not readable."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image record: written when a pull has succeeded."""

    name: str
    digest: str
    updated_at: float


@dataclass(frozen=True, slots=True)
class NodeObservation:
    """All pulls of a node at one moment."""

    pulls: tuple[PullObservation, ...]
    images: tuple[ImageRecord, ...] | None = None
    """Every image record, when a pull may have ended since the last observation; else None."""
    missed: tuple[PullObservation, ...] = ()
    """Pulls that began and ended since the last observation; each begins with its first blob."""


class Observer:
    """Reads one node; remembers only what spares calls."""

    def __init__(
        self,
        client: ContainerdClient,
        server_started_at: Callable[[], float],
        now: Callable[[], float] = time.time,
        *,
        looked_at: float | None = None,
    ) -> None:
        """`server_started_at`: when this containerd came up. Leases outlive it, the pulls they stood for do not.
        `looked_at`: since when the first look may have missed pulls; None: it cannot tell.
        """
        self._client = client
        self._server_started_at = server_started_at
        self._now = now
        self._looked_at = looked_at
        self._image_recorded = False
        self._memories: dict[str, Memory] = {}
        self._blobs = Blobs(client)
        self._last_leases: frozenset[str] | None = None
        self._snapshotter = DEFAULT_SNAPSHOTTER

    async def observe(self) -> NodeObservation:
        """One look at the node. Raises `ContainerdError`; the next call starts afresh then."""
        since, now = self._server_started_at(), self._now()
        self._image_recorded |= self._client.image_recorded()
        listed = await self._client.leases()
        leases = [lease for lease in listed if is_pull(lease) and seconds(lease.created_at) >= since]
        pulls = []
        if leases:
            # Ingests before resources: a blob that is committed in between is in both, never in neither.
            ingests = {ref_digest(status.ref): status for status in await self._client.ingests()}
            resources = [await self._resources(lease) for lease in leases]
            held = {ref_digest(r.id) for each in resources if each for r in each if r.type == "ingests"}
            for lease, its in zip(leases, resources, strict=True):
                if its is not None and (pull := await self._observe_pull(lease, its, ingests, held)) is not None:
                    pulls.append(pull)
        running = frozenset(pull.lease_id for pull in pulls)
        images = None
        missed: list[PullObservation] = []
        if self._last_leases is None or self._last_leases - running or self._image_recorded:
            records = await self._client.images()
            half = half_recorded(records)
            if any(now - seconds(record.updated_at) < RECORDING_SECONDS for record in half):
                self._image_recorded = True
                return NodeObservation(tuple(pulls))  # how it ended is seen by a later look
            images = tuple(
                ImageRecord(image_name(i), i.target.digest, seconds(i.updated_at)) for i in records if i not in half
            )
            missed = await self._missed(images)
        self._last_leases, self._looked_at, self._image_recorded = running, now, False
        self._memories = {lease: memory for lease, memory in self._memories.items() if lease in running}
        if not running:
            self._blobs.forget()
        return NodeObservation(tuple(pulls), images, tuple(missed))

    async def _missed(self, images: Sequence[ImageRecord]) -> list[PullObservation]:
        """Pulls of which no lease was seen: their images were recorded, and fetched, since the last look."""
        if (since := self._looked_at) is None:
            return []
        seen = {digest for memory in self._memories.values() for digest in (memory.index_digest, *memory.manifests)}
        missed = []
        for digest in sorted({image.digest for image in images if image.updated_at >= since} - seen):
            info = await self._client.find_content(digest)
            if info is None or seconds(info.created_at) < since or not repositories(info.labels):
                continue  # nothing new, or imported
            blob = await self._blobs.get(digest)
            blobs = (digest, *(blob.manifest_digests if isinstance(blob, Index) else ()))
            lease = pb.Lease(id=digest, created_at=info.created_at)
            pull = await self._observe_pull(lease, [pb.Resource(id=each, type="content") for each in blobs], {}, ())
            missed += [pull] if pull is not None else []
        return missed

    async def _resources(self, lease: pb.Lease) -> Sequence[pb.Resource] | None:
        """None when the lease has ended since it was listed."""
        try:
            return await self._client.lease_resources(lease.id)
        except NotFound:
            return None

    async def _observe_pull(
        self,
        lease: pb.Lease,
        resources: Sequence[pb.Resource],
        ingests: Mapping[str, pb.IngestStatus],
        held: Collection[str],
    ) -> PullObservation | None:
        """None for a lease that turns out to be something else: it holds snapshots and nothing that was fetched."""
        has_content = any(r.type in ("content", "ingests") for r in resources)
        if resources and not has_content:
            return None
        memory = self._memories.setdefault(lease.id, Memory())
        content = [r.id for r in resources if r.type == "content"]
        extracting = {r.id.rpartition(" ")[2] for r in resources if r.id.startswith("extract-")}
        for resource in resources:
            if resource.type.startswith("snapshots/"):
                self._snapshotter = resource.type.partition("/")[2]
        await self._read_manifests(memory, content)
        if not memory.repositories:
            memory.repositories = await self._blobs.repositories([memory.index_digest, *memory.manifests])
        layers = None
        if memory.manifests and await self._config_settled(memory):
            layers = await self._observe_layers(memory, frozenset(content), ingests, held, extracting)
        return PullObservation(
            lease_id=lease.id,
            started_at=seconds(lease.created_at),
            has_content=has_content,
            repositories=memory.repositories,
            index_digest=memory.index_digest,
            manifest_digest=next(iter(memory.manifests), None),
            layers=layers,
            unpacks=bool(memory.chain_order),
        )

    async def _read_manifests(self, memory: Memory, content: Sequence[str]) -> None:
        """Finds index and manifest among the pull's blobs; layers are never read."""
        known = {layer.digest for manifest in memory.manifests.values() for layer in manifest.layers}
        for digest in content:
            if digest in known or digest in memory.manifests or digest == memory.index_digest:
                continue
            blob = await self._blobs.get(digest)
            if isinstance(blob, Index) and memory.index_digest is None:
                memory.index_digest = digest
            elif isinstance(blob, Manifest):
                memory.manifests[digest] = blob

    async def _config_settled(self, memory: Memory) -> bool:
        """Learns the chain IDs; False while a config is still on its way."""
        if memory.chain_order:
            return True
        order: list[str] = []
        for manifest in memory.manifests.values():
            if manifest.config_digest is None:
                continue
            config = await self._blobs.get(manifest.config_digest)
            if config is None:
                memory.observations_without_config += 1
                return memory.observations_without_config > CONFIG_PATIENCE
            if isinstance(config, Config) and len(config.diff_ids) == len(manifest.layers):
                chain = chain_ids(config.diff_ids)
                memory.chains.update(zip((layer.digest for layer in manifest.layers), chain, strict=True))
                order.extend(chain)
        memory.chain_order = tuple(dict.fromkeys(order))
        return True

    async def _observe_layers(
        self,
        memory: Memory,
        content: frozenset[str],
        ingests: Mapping[str, pb.IngestStatus],
        held: Collection[str],
        extracting: Collection[str],
    ) -> tuple[LayerObservation, ...]:
        specs = {layer.digest: layer for manifest in memory.manifests.values() for layer in manifest.layers}
        moved_on = memory.arriving is None or content != memory.content
        memory.content = content
        for digest in specs:
            if digest in ingests and digest not in content:
                memory.stored_at.pop(digest, None)  # what an earlier pull had left is gone, and fetched again
                continue
            # The lease names a layer when containerd comes to it. What was on the node before is told at once,
            # and a layer whose download has ended, by whichever pull, is not gone because it is not named yet.
            wanted = digest in content or memory.arriving is None or digest in memory.arriving
            missing = wanted and digest not in memory.stored_at
            if missing and (info := await self._client.find_content(digest)):
                memory.stored_at[digest] = seconds(info.created_at)
        # While a blob is being committed it is in neither list, but the lease of its pull still holds the download.
        arriving = {**(memory.arriving or {}), **ingests}
        memory.arriving = {
            digest: arriving[digest]
            for digest in specs
            if digest in ingests or (digest in held and digest in arriving and digest not in memory.stored_at)
        }
        await self._find_snapshots(memory, moved_on=moved_on)
        return tuple(_layer(spec, memory, extracting) for spec in specs.values())

    async def _find_snapshots(self, memory: Memory, *, moved_on: bool) -> None:
        """Layers are unpacked bottom up: asks from the first that is not known to be unpacked to the first that is not.

        One that still downloads is not asked for, unless the pull has moved on since the last look.
        """
        arriving = {memory.chains[digest] for digest in memory.arriving or () if digest in memory.chains}
        for chain_id in memory.chain_order:
            if chain_id in memory.unpacked_at:
                continue
            if chain_id in arriving and not moved_on:
                return
            try:
                snapshot = await self._client.snapshot(self._snapshotter, chain_id)
            except NotFound:
                return
            memory.unpacked_at[chain_id] = seconds(snapshot.created_at)
            if LAZY_LABEL in snapshot.labels:
                memory.lazy.add(chain_id)


def _layer(spec: LayerSpec, memory: Memory, extracting: Collection[str]) -> LayerObservation:
    chain_id = memory.chains.get(spec.digest)
    stored_at = memory.stored_at.get(spec.digest)
    ingest = (memory.arriving or {}).get(spec.digest) if stored_at is None else None
    return LayerObservation(
        digest=spec.digest,
        size_bytes=spec.size_bytes,
        ingested_bytes=max(0, int(ingest.offset)) if ingest is not None else None,
        ingest_started_at=seconds(ingest.started_at) if ingest is not None else None,
        stored_at=stored_at,
        unpacked_at=memory.unpacked_at.get(chain_id) if chain_id else None,
        lazy=chain_id in memory.lazy and stored_at is None,
        unpacking=chain_id in extracting,
    )
