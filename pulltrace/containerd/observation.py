"""The pulls of a node at one moment, read from containerd.

One containerd lease is one pull. Its resources name the blobs and snapshots of exactly that pull. The manifest has the
sizes of the layers, and the config their snapshots. Manifests, configs and layers of before never change: the observer
reads them once for each lease.

`agent.tracker` decides what observations mean over time. Another source of pulls (CRI-O, a kubelet endpoint) would
return the same `NodeObservation`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from pulltrace.containerd.client import ContainerdClient, NotFound
from pulltrace.containerd.content import BlobCache
from pulltrace.containerd.lease_filter import (
    image_name,
    incomplete_records,
    ingest_digest,
    is_pull,
    unix_seconds,
)
from pulltrace.containerd.manifests import Config, Index, LayerSpec, Manifest, chain_ids, repositories
from pulltrace.containerd.proto import containerd_pb2 as pb
from pulltrace.containerd.pull_cache import PullCache

DEFAULT_SNAPSHOTTER = "overlayfs"
LAZY_LABEL = "containerd.io/snapshot/remote"
"""Lazy snapshotters (stargz, SOCI, nydus) label the snapshots that they serve from the registry with it."""
RECORDING_SECONDS = 2.0
"""The pull of a younger incomplete record may still succeed."""
MAX_POLLS_WITHOUT_CONFIG = 5
"""Polls that wait for the config. Without it, cached and queued layers cannot be distinguished."""


@dataclass(frozen=True, slots=True)
class LayerObservation:
    """A layer of a pull at one moment."""

    digest: str
    size_bytes: int
    ingested_bytes: int | None = None
    """Bytes of a running download; None without one."""
    ingest_started_at: float | None = None
    """Earlier than the pull when it resumes the download of a pull before it."""
    stored_at: float | None = None
    """When the blob was complete; None until then."""
    unpacked_at: float | None = None
    """When the snapshot was committed; None until then."""
    unpacking: bool = False
    lazy: bool = False
    """The snapshot has no blob: a lazy snapshotter fetches the bytes when they are read."""


@dataclass(frozen=True, slots=True)
class PullObservation:
    """A running pull at one moment."""

    lease_id: str
    started_at: float
    has_content: bool = False
    """False while containerd resolves the reference."""
    repositories: tuple[str, ...] = ()
    index_digest: str | None = None
    manifest_digest: str | None = None
    layers: tuple[LayerObservation, ...] | None = None
    """Every distinct layer, bottom first; None until manifest and config are present."""
    unpacks: bool = True
    """False without a file system to unpack (an artefact), or without a readable config."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image record. containerd writes it when a pull succeeds."""

    name: str
    digest: str
    updated_at: float


@dataclass(frozen=True, slots=True)
class NodeObservation:
    """All pulls of a node at one moment."""

    pulls: tuple[PullObservation, ...]
    images: tuple[ImageRecord, ...] | None = None
    """Every image record when a pull may have ended since the last poll; else None."""
    unseen: tuple[PullObservation, ...] = ()
    """Pulls that began and ended since the last poll. They start with their first blob."""


class Observer:
    """Polls the containerd of one node."""

    def __init__(
        self,
        client: ContainerdClient,
        server_started_at: Callable[[], float],
        now: Callable[[], float] = time.time,
        *,
        since: float | None = None,
    ) -> None:
        """Start with an empty cache.

        `server_started_at`: when this containerd started. Leases outlive it, their pulls do not. `since`: the first
        poll also returns pulls that ran since then; None for no such pulls.
        """
        self._client = client
        self._server_started_at = server_started_at
        self._now = now
        self._polled_at = since
        self._image_recorded = False
        self._pulls: dict[str, PullCache] = {}
        self._blobs = BlobCache(client)
        self._last_leases: frozenset[str] | None = None
        self._snapshotter = DEFAULT_SNAPSHOTTER

    async def observe(self) -> NodeObservation:
        """Poll the node once. Raises `ContainerdError`; the next poll repeats what the failed one did not finish."""
        server_started_at, now = self._server_started_at(), self._now()
        self._image_recorded |= self._client.pop_image_recorded()
        listed = await self._client.leases()
        leases = [lease for lease in listed if is_pull(lease) and unix_seconds(lease.created_at) >= server_started_at]
        pulls = await self._running(leases) if leases else ()
        running = frozenset(pull.lease_id for pull in pulls)
        images = None
        unseen: tuple[PullObservation, ...] = ()
        if self._last_leases is None or self._last_leases - running or self._image_recorded:
            records = await self._client.images()
            incomplete = incomplete_records(records)
            if any(now - unix_seconds(record.updated_at) < RECORDING_SECONDS for record in incomplete):
                self._image_recorded = True
                return NodeObservation(pulls)  # a later poll reads how the pull ended
            images = tuple(
                ImageRecord(image_name(record), record.target.digest, unix_seconds(record.updated_at))
                for record in records
                if record not in incomplete
            )
            unseen = await self._unseen(images)
        self._last_leases, self._polled_at, self._image_recorded = running, now, False
        self._pulls = {lease: pull for lease, pull in self._pulls.items() if lease in running}
        if not running:
            self._blobs.clear()
        return NodeObservation(pulls, images, unseen)

    async def _running(self, leases: Sequence[pb.Lease]) -> tuple[PullObservation, ...]:
        # Ingests before resources: a blob that is committed in between is in both lists, never in neither.
        ingests = {ingest_digest(status.ref): status for status in await self._client.ingests()}
        resources = [await self._resources(lease) for lease in leases]
        leased = {ingest_digest(each.id) for of_lease in resources if of_lease for each in of_lease if _is_ingest(each)}
        observed = [
            await self._observe_pull(lease, of_lease, ingests, leased)
            for lease, of_lease in zip(leases, resources, strict=True)
            if of_lease is not None
        ]
        return tuple(pull for pull in observed if pull is not None)

    async def _unseen(self, images: Sequence[ImageRecord]) -> tuple[PullObservation, ...]:
        """Return the pulls without a polled lease: their images were fetched and recorded since the last poll."""
        if (since := self._polled_at) is None:
            return ()
        polled = {digest for pull in self._pulls.values() for digest in (pull.index_digest, *pull.manifests)}
        unseen = []
        for digest in sorted({image.digest for image in images if image.updated_at >= since} - polled):
            info = await self._client.find_content(digest)
            if info is None or unix_seconds(info.created_at) < since or not repositories(info.labels):
                continue  # recorded again, or imported
            blob = await self._blobs.get(digest)
            blobs = (digest, *(blob.manifest_digests if isinstance(blob, Index) else ()))
            lease = pb.Lease(id=digest, created_at=info.created_at)
            pull = await self._observe_pull(lease, [pb.Resource(id=each, type="content") for each in blobs], {}, ())
            unseen += [pull] if pull is not None else []
        return tuple(unseen)

    async def _resources(self, lease: pb.Lease) -> Sequence[pb.Resource] | None:
        """Return the lease's resources; None when it has ended since it was listed."""
        try:
            return await self._client.lease_resources(lease.id)
        except NotFound:
            return None

    async def _observe_pull(
        self,
        lease: pb.Lease,
        resources: Sequence[pb.Resource],
        ingests: Mapping[str, pb.IngestStatus],
        leased: Collection[str],
    ) -> PullObservation | None:
        """Return the pull; None for a lease of another operation, which holds snapshots and no content."""
        content = [resource.id for resource in resources if resource.type == "content"]
        has_content = bool(content) or any(map(_is_ingest, resources))
        if resources and not has_content:
            return None
        cache = self._pulls.setdefault(lease.id, PullCache())
        extracting = {each.id.rpartition(" ")[2] for each in resources if each.id.startswith("extract-")}
        for resource in resources:
            if resource.type.startswith("snapshots/"):
                self._snapshotter = resource.type.partition("/")[2]
        await self._read_manifests(cache, content)
        if not cache.repositories:
            cache.repositories = await self._blobs.repositories([cache.index_digest, *cache.manifests])
        layers = None
        if cache.manifests and await self._read_configs(cache):
            layers = await self._observe_layers(cache, frozenset(content), ingests, leased, extracting)
        return PullObservation(
            lease_id=lease.id,
            started_at=unix_seconds(lease.created_at),
            has_content=has_content,
            repositories=cache.repositories,
            index_digest=cache.index_digest,
            manifest_digest=next(iter(cache.manifests), None),
            layers=layers,
            unpacks=bool(cache.chain_order),
        )

    async def _read_manifests(self, cache: PullCache, content: Sequence[str]) -> None:
        """Find index and manifest among the pull's blobs. Layers are never read."""
        known = {layer.digest for manifest in cache.manifests.values() for layer in manifest.layers}
        for digest in content:
            if digest in known or digest in cache.manifests or digest == cache.index_digest:
                continue
            blob = await self._blobs.get(digest)
            if isinstance(blob, Index) and cache.index_digest is None:
                cache.index_digest = digest
            elif isinstance(blob, Manifest):
                cache.manifests[digest] = blob

    async def _read_configs(self, cache: PullCache) -> bool:
        """Work out the chain IDs. Return False while a config is not present yet."""
        if cache.chain_order:
            return True
        order: list[str] = []
        for manifest in cache.manifests.values():
            if manifest.config_digest is None:
                continue
            config = await self._blobs.get(manifest.config_digest)
            if config is None:
                cache.polls_without_config += 1
                return cache.polls_without_config > MAX_POLLS_WITHOUT_CONFIG
            if isinstance(config, Config) and len(config.diff_ids) == len(manifest.layers):
                chain = chain_ids(config.diff_ids)
                cache.chains.update(zip((layer.digest for layer in manifest.layers), chain, strict=True))
                order.extend(chain)
        cache.chain_order = tuple(dict.fromkeys(order))
        return True

    async def _observe_layers(
        self,
        cache: PullCache,
        content: frozenset[str],
        ingests: Mapping[str, pb.IngestStatus],
        leased: Collection[str],
        extracting: Collection[str],
    ) -> tuple[LayerObservation, ...]:
        specs = {layer.digest: layer for manifest in cache.manifests.values() for layer in manifest.layers}
        moved_on = cache.downloading is None or content != cache.content
        cache.content = content
        for digest in specs:
            if digest in ingests and digest not in content:
                cache.stored_at.pop(digest, None)  # the blob of an earlier pull is gone, and is fetched again
                continue
            # The lease names a layer when containerd reaches it. Layers that were on the node before are present from
            # the first poll on, and so is a layer that another pull has downloaded.
            wanted = digest in content or cache.downloading is None or digest in cache.downloading
            missing = wanted and digest not in cache.stored_at
            if missing and (info := await self._client.find_content(digest)):
                cache.stored_at[digest] = unix_seconds(info.created_at)
        # A blob that is being committed is in neither list, but its pull's lease still holds the download.
        statuses = {**(cache.downloading or {}), **ingests}
        cache.downloading = {
            digest: statuses[digest]
            for digest in specs
            if digest in ingests or (digest in leased and digest in statuses and digest not in cache.stored_at)
        }
        await self._find_snapshots(cache, moved_on=moved_on)
        return tuple(_layer(spec, cache, extracting) for spec in specs.values())

    async def _find_snapshots(self, cache: PullCache, *, moved_on: bool) -> None:
        """Read the snapshots of layers that have been unpacked since the last poll, bottom up.

        Layers are unpacked in this order. A layer that downloads is read only when the pull has moved on.
        """
        downloading = {cache.chains[digest] for digest in cache.downloading or () if digest in cache.chains}
        for chain_id in cache.chain_order:
            if chain_id in cache.unpacked_at:
                continue
            if chain_id in downloading and not moved_on:
                return
            try:
                snapshot = await self._client.snapshot(self._snapshotter, chain_id)
            except NotFound:
                return
            cache.unpacked_at[chain_id] = unix_seconds(snapshot.created_at)
            if LAZY_LABEL in snapshot.labels:
                cache.lazy_chains.add(chain_id)


def _is_ingest(resource: pb.Resource) -> bool:
    return resource.type == "ingests"


def _layer(spec: LayerSpec, cache: PullCache, extracting: Collection[str]) -> LayerObservation:
    chain_id = cache.chains.get(spec.digest)
    stored_at = cache.stored_at.get(spec.digest)
    ingest = (cache.downloading or {}).get(spec.digest) if stored_at is None else None
    return LayerObservation(
        digest=spec.digest,
        size_bytes=spec.size_bytes,
        ingested_bytes=max(0, int(ingest.offset)) if ingest is not None else None,
        ingest_started_at=unix_seconds(ingest.started_at) if ingest is not None else None,
        stored_at=stored_at,
        unpacked_at=cache.unpacked_at.get(chain_id) if chain_id else None,
        lazy=chain_id in cache.lazy_chains and stored_at is None,
        unpacking=chain_id in extracting,
    )
