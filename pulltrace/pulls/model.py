"""The words of Pulltrace: a pull, its layers, and the phases they go through.

Everything here is a frozen value. Times are Unix seconds on the clock of the node where the pull
runs; bytes are compressed bytes as the registry serves them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pulltrace.pulls.time_left import TimeLeft


class Phase(StrEnum):
    """Where a pull stands. The last three are ends: a pull leaves them no more."""

    RESOLVING = "resolving"
    """The registry is being asked what the reference means; the size is not known yet."""
    DOWNLOADING = "downloading"
    UNPACKING = "unpacking"
    """Every byte is on the node; layers are being written to the snapshotter."""
    COMPLETED = "completed"
    """The pull ended and containerd has an image record for it."""
    FAILED = "failed"
    """The pull ended and containerd has no image record for it."""
    UNKNOWN = "unknown"
    """The pull ended while nobody could see how."""

    @property
    def ended(self) -> bool:
        return self in _ENDS


_ENDS = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.UNKNOWN})


class LayerState(StrEnum):
    """Where a layer of a pull stands."""

    QUEUED = "queued"
    """No byte of it is here: containerd downloads only a few layers at a time."""
    CACHED = "cached"
    """Was on the node before this pull began; costs no more work."""
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    """Every byte is here; waits for the layers below it to be unpacked."""
    UNPACKING = "unpacking"
    DONE = "done"
    """Unpacked since this pull began; only what was unpacked before is cached."""
    LAZY = "lazy"
    """Usable, but not here: its bytes are fetched from the registry when they are read."""


NEED_NO_WORK = frozenset({LayerState.CACHED, LayerState.DONE, LayerState.LAZY})
"""States in which a layer keeps no container waiting."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of one pull. A digest that stands twice in a manifest is one layer here."""

    digest: str
    """`sha256:` and 64 hex digits; from a Lease only the first 12 hex digits (see annotations)."""
    size_bytes: int
    downloaded_bytes: int
    """Bytes on the node, from 0 to `size_bytes`; equal to it for cached layers too."""
    state: LayerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One pull on one node: what one containerd lease stands for."""

    id: str
    """12 hex digits, the same over restarts of the agent and different on every node."""
    phase: Phase
    started_at: float
    progressed_at: float
    """When a byte last arrived, a layer was last unpacked, or the phase last changed."""
    ended_at: float | None = None
    repositories: tuple[str, ...] = ()
    """Where the bytes come from, such as `docker.io/library/nginx`, without the registry's port, which
    containerd does not note; empty until the first blob is on the node, and more than one only when the same image was pulled from several repositories before."""
    names: tuple[str, ...] = ()
    """The image's names as containerd recorded them; empty until it has recorded one."""
    target_digest: str | None = None
    """What the reference resolved to: the digest of the index, or of the manifest where there is no index."""
    total_bytes: int | None = None
    """What this pull has to download: all layers that were not cached. None until the manifest is here."""
    downloaded_bytes: int = 0
    """Of `total_bytes`, what is on the node."""
    cached_bytes: int = 0
    """Layers that were on the node before; not part of `total_bytes`."""
    lazy_bytes: int = 0
    """Layers that a lazy snapshotter serves from the registry; not part of `total_bytes`, and perhaps never fetched."""
    unpacked_bytes: int = 0
    """Of `total_bytes`, what has been unpacked."""
    bytes_per_second: float = 0.0
    time_left: TimeLeft | None = None
    """To the end of the pull; its bounds differ while the rate changes. None without an estimate."""
    error: str | None = None
    layer_count: int = 0
    """All layers of the image, also those that `layers` had no room for."""
    layers_done: int = 0
    """Layers that need no more work: done, cached or lazy."""
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """Everything one agent says of its node: the content of one Lease."""

    pulls: tuple[Pull, ...] = ()
    """The running pulls, oldest first."""
    recent: tuple[Pull, ...] = ()
    """The ended pulls, newest first; without layers once they have been in a Lease."""
    unpack_bytes_per_second: float | None = None
    """How fast this node unpacks, in compressed bytes; learned by its agent, kept over restarts."""
    error: str | None = None
    """Why the pulls are not up to date, such as a containerd that does not answer; None when all is well."""
    omitted_pulls: int = 0
    """Running pulls that the Lease had no room for."""
    refused_writes: int = 0
    """Requests that the API server refused for being too busy (429), since the agent started."""
    failed_polls: int = 0
    """Looks at containerd that gave nothing, since the agent started."""
    problems: tuple[str, ...] = ()
    """What a decoder could not use, one line each; empty on the agent's side."""
