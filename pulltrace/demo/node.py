"""The containerd of a simulated node: pulls share a link, layers share a disk.

It follows the rules of a real containerd. A pull resolves its reference, fetches its manifest, and then downloads at most
three layers at a time, bottom first. Two pulls of one layer download it once. Layers are unpacked one after another, bottom
up, as they arrive. containerd writes the image records after the last layer; a failed pull leaves its downloads for the
next try.

Time is an argument and moves in ticks of a fixed length: the same calls give the same node.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from pulltrace.containerd.observation import ImageRecord
from pulltrace.demo.images import MIB, Image, ImageLayer

TICK_SECONDS = 0.125
"""An exact binary fraction, so that a sum of ticks is exact."""
MAX_INGESTS = 3
"""Downloads of one pull at once: containerd's `max_concurrent_downloads`."""
MANIFEST_SECONDS = 0.25
"""From the index to the manifest and config."""
ENDED_PULLS = 1000


@dataclass(frozen=True, slots=True)
class Stall:
    """No bytes arrive for a while after this part of the download."""

    after_fraction: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """The pull ends without an image: while resolving, or after a part of the download."""

    message: str
    """The kubelet's message."""
    after_fraction: float | None = None


Fault = Stall | Failure


@dataclass(frozen=True, slots=True)
class Machine:
    """The hardware of a node and its kubelet's configuration."""

    name: str
    link_mib: float
    """MiB a second, on average."""
    unpack_mib: float
    parallel_pulls: int = 1
    """The kubelet's limit; 1 is its default (`serializeImagePulls: true`)."""


@dataclass(slots=True)
class Ingest:
    """A download of a layer."""

    size_bytes: int
    started_at: float
    offset: float = 0.0


@dataclass(slots=True, eq=False)
class SimulatedPull:
    """A pull, running or ended: the truth that Pulltrace should show."""

    lease_id: str
    image: Image
    started_at: float
    resolved_at: float
    cached: frozenset[str]
    """Digests of layers that the node had before."""
    fault: Fault | None = None
    joined: set[str] = field(default_factory=set)
    """Digests of layers whose download it has started or joined."""
    unpacked_bytes: float = 0.0
    """Bytes of the layer that is being unpacked."""
    stalled_until: float | None = None
    ended_at: float | None = None
    succeeded: bool = False

    @property
    def manifest_at(self) -> float:
        return self.resolved_at + MANIFEST_SECONDS

    @property
    def total_bytes(self) -> int:
        return sum(layer.size_bytes for layer in self.image.layers if layer.digest not in self.cached)


class SimulatedNode:
    """containerd, its content store and its snapshots."""

    def __init__(self, machine: Machine, origin: float) -> None:
        self.machine = machine
        self.pulls: dict[str, SimulatedPull] = {}
        """The running pulls by lease."""
        self.ended: deque[SimulatedPull] = deque(maxlen=ENDED_PULLS)
        self.ingests: dict[str, Ingest] = {}
        self.content: dict[str, float] = {}
        """When each blob was stored, by digest."""
        self.snapshots: dict[str, float] = {}
        """When each snapshot was committed, by chain ID."""
        self.extracting: dict[str, SimulatedPull] = {}
        """The pull that unpacks a chain ID; other pulls of it wait."""
        self.images: dict[str, ImageRecord] = {}
        self.installed: dict[str, Image] = {}
        """By name, oldest first."""
        self._origin = origin
        self._ticks = 0
        self._leases = 0
        self._phase = int(hashlib.sha256(machine.name.encode()).hexdigest()[:4], 16) / 1000

    @property
    def now(self) -> float:
        return self._origin + self._ticks * TICK_SECONDS

    def has(self, image: Image) -> bool:
        return image.name in self.installed

    def preload(self, image: Image) -> None:
        """Add an image that the node had before the simulation."""
        for layer in image.layers:
            self.content.setdefault(layer.digest, self.now - 3600.0)
            self.snapshots.setdefault(layer.chain_id, self.now - 3600.0)
        self._record(image, self.now - 3600.0)

    def pull(self, image: Image, resolve_seconds: float, fault: Fault | None = None) -> SimulatedPull:
        """Start a pull between this tick and the next one."""
        started_at = self.now + TICK_SECONDS / 2
        self._leases += 1
        random = hashlib.sha256(f"{self.machine.name} {self._leases}".encode()).hexdigest()
        lease_id = f"{int(random[:8], 16) % 10**9:09}-{random[8:12]}"
        here = (layer for layer in image.layers if layer.digest in self.content or layer.chain_id in self.snapshots)
        started = SimulatedPull(
            lease_id, image, started_at, started_at + resolve_seconds, frozenset(layer.digest for layer in here), fault
        )
        self.pulls[lease_id] = started
        return started

    def collect(self, keep: Collection[str]) -> None:
        """Remove all images except these names, with the layers that only they needed."""
        for name in [name for name in self.installed if name not in keep]:
            gone = self.installed.pop(name)
            for record in [key for key, record in self.images.items() if record.digest == gone.index_digest]:
                del self.images[record]
        images = [*self.installed.values(), *(pull.image for pull in self.pulls.values())]
        needed = {layer.digest for image in images for layer in image.layers}
        chains = {layer.chain_id for image in images for layer in image.layers}
        self.content = {blob: at for blob, at in self.content.items() if blob in needed}
        self.snapshots = {chain: at for chain, at in self.snapshots.items() if chain in chains}
        self.ingests = {blob: ingest for blob, ingest in self.ingests.items() if blob in needed}

    def advance(self, now: float) -> None:
        """Advance to the last whole tick before `now`."""
        while self.now + TICK_SECONDS <= now:
            self._ticks += 1
            if self.pulls:
                self._tick(self.now)

    def link_bytes_per_second(self, at: float) -> float:
        """Return the rate of the link, which varies over time."""
        slow, quick = math.sin(at / 11 + self._phase), math.sin(at / 2.7 + 2 * self._phase)
        return self.machine.link_mib * MIB * (1 + 0.22 * slow + 0.13 * quick)

    def downloaded_bytes(self, pull: SimulatedPull) -> float:
        """Return the downloaded part of `total_bytes`."""
        return sum(self._here(layer) for layer in pull.image.layers if layer.digest not in pull.cached)

    def _here(self, layer: ImageLayer) -> float:
        if (ingest := self.ingests.get(layer.digest)) is not None:
            return ingest.offset
        return layer.size_bytes if layer.digest in self.content or layer.chain_id in self.snapshots else 0

    def _tick(self, at: float) -> None:
        running = [pull for pull in list(self.pulls.values()) if not self._breaks(pull, at)]
        fetching = [pull for pull in running if at >= pull.manifest_at]
        self._transfer([pull for pull in fetching if not self._stalls(pull, at)], at)
        for pull in fetching:
            self._unpack(pull, at)
            if all(layer.chain_id in self.snapshots for layer in pull.image.layers):
                self._record(pull.image, at)
                self._end(pull, at, succeeded=True)

    def _breaks(self, pull: SimulatedPull, at: float) -> bool:
        if not isinstance(pull.fault, Failure) or at < pull.resolved_at:
            return False
        after = pull.fault.after_fraction
        if after is not None and self.downloaded_bytes(pull) < after * pull.total_bytes:
            return False
        self._end(pull, at, succeeded=False)
        return True

    def _stalls(self, pull: SimulatedPull, at: float) -> bool:
        if not isinstance(pull.fault, Stall):
            return False
        if pull.stalled_until is None:
            if self.downloaded_bytes(pull) < pull.fault.after_fraction * pull.total_bytes:
                return False
            pull.stalled_until = at + pull.fault.seconds
        return at < pull.stalled_until

    def _transfer(self, pulls: list[SimulatedPull], at: float) -> None:
        """Share the bytes of one tick among the downloads."""
        spare = self.link_bytes_per_second(at) * TICK_SECONDS
        while spare >= 1:
            for pull in pulls:
                self._begin_layers(pull, at)
            moving = {blob: self.ingests[blob] for pull in pulls for blob in pull.joined if blob in self.ingests}
            if not moving:
                return
            share = spare / len(moving)
            for blob, ingest in moving.items():
                arrived = min(share, ingest.size_bytes - ingest.offset)
                ingest.offset += arrived
                spare -= arrived
                if ingest.offset >= ingest.size_bytes:
                    self.content[blob] = at
                    del self.ingests[blob]

    def _begin_layers(self, pull: SimulatedPull, at: float) -> None:
        free = MAX_INGESTS - sum(blob in self.ingests for blob in pull.joined)
        for layer in pull.image.layers:
            if free <= 0:
                return
            if layer.digest in pull.joined or layer.digest in self.content or layer.chain_id in self.snapshots:
                continue
            self.ingests.setdefault(layer.digest, Ingest(layer.size_bytes, at))
            pull.joined.add(layer.digest)
            free -= 1

    def _unpack(self, pull: SimulatedPull, at: float) -> None:
        spare = self.machine.unpack_mib * MIB * TICK_SECONDS
        for layer in pull.image.layers:
            if layer.chain_id in self.snapshots:
                continue
            if self.extracting.setdefault(layer.chain_id, pull) is not pull or layer.digest not in self.content:
                return
            written = min(spare, layer.size_bytes - pull.unpacked_bytes)
            pull.unpacked_bytes += written
            spare -= written
            if pull.unpacked_bytes < layer.size_bytes:
                return
            pull.unpacked_bytes = 0.0
            self.snapshots[layer.chain_id] = at
            del self.extracting[layer.chain_id]

    def _record(self, image: Image, at: float) -> None:
        """Record the three names of the CRI plugin: the tag, the digest form and the image ID."""
        names = (str(image.reference), f"{image.repository}@{image.index_digest}", image.config_digest)
        self.images.update((name, ImageRecord(name, image.index_digest, at)) for name in names)
        self.installed[image.name] = image

    def _end(self, pull: SimulatedPull, at: float, *, succeeded: bool) -> None:
        pull.ended_at, pull.succeeded = at, succeeded
        del self.pulls[pull.lease_id]
        self.ended.append(pull)
        self.extracting = {chain: owner for chain, owner in self.extracting.items() if owner is not pull}
