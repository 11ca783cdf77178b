"""A pull, its layers, their phases and states, and a node's report.

Times are Unix seconds on the clock of the pull's node. Bytes are compressed bytes, as the registry serves them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pulltrace.pulls.time_left import TimeLeft


class Phase(StrEnum):
    """The phase of a pull. The last three are final."""

    RESOLVING = "resolving"
    """containerd asks the registry for the manifest; the size is unknown."""
    DOWNLOADING = "downloading"
    UNPACKING = "unpacking"
    """Every byte is on the node; containerd unpacks layers into snapshots."""
    COMPLETED = "completed"
    """The pull ended and containerd has an image record for it."""
    FAILED = "failed"
    """The pull ended and containerd has no image record for it."""
    UNKNOWN = "unknown"
    """The pull ended, and the agent could not see how."""

    @property
    def ended(self) -> bool:
        """Whether the pull has ended."""
        return self in _ENDS


_ENDS = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.UNKNOWN})


class LayerState(StrEnum):
    """The state of a layer of a pull."""

    QUEUED = "queued"
    """No byte of it is present: containerd downloads a few layers at a time."""
    CACHED = "cached"
    """On the node before this pull began; needs no work."""
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    """Every byte is present; the layers below are unpacked first."""
    UNPACKING = "unpacking"
    DONE = "done"
    """Unpacked since this pull began. A layer that was unpacked before is cached."""
    LAZY = "lazy"
    """Usable, but not present: its bytes are fetched from the registry when they are read."""

    @property
    def finished(self) -> bool:
        """Whether the layer needs no more work before a container can start."""
        return self in (LayerState.CACHED, LayerState.DONE, LayerState.LAZY)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of one pull. A digest that occurs twice in a manifest is one layer."""

    digest: str
    """`sha256:` and 64 hex digits; a Lease has the first 12 hex digits only."""
    size_bytes: int
    downloaded_bytes: int
    """Bytes on the node, from 0 to `size_bytes`; equal to it for cached layers too."""
    state: LayerState


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One pull on one node: one containerd lease."""

    id: str
    """12 hex digits, the same over restarts of the agent and different on every node."""
    phase: Phase
    started_at: float
    progressed_at: float
    """When a byte last arrived, a layer was last unpacked, or the phase last changed."""
    ended_at: float | None = None
    repositories: tuple[str, ...] = ()
    """Source of the bytes, such as `docker.io/library/nginx`; containerd omits the registry's port. Empty until the first
    blob is stored. More than one when the same image was pulled from several repositories before."""
    names: tuple[str, ...] = ()
    """The image's names in containerd's records; empty before the first record."""
    target_digest: str | None = None
    """The digest that the reference resolved to: of the index, or of the manifest without one."""
    total_bytes: int | None = None
    """Size of the layers that are neither cached nor lazy. None until the manifest is present."""
    downloaded_bytes: int = 0
    """Part of `total_bytes` that is on the node."""
    cached_bytes: int = 0
    """Size of the layers that were on the node before; not part of `total_bytes`."""
    lazy_bytes: int = 0
    """Size of the layers that a lazy snapshotter serves from the registry; not part of `total_bytes`."""
    unpacked_bytes: int = 0
    """Part of `total_bytes` that has been unpacked."""
    bytes_per_second: float = 0.0
    time_left: TimeLeft | None = None
    """To the end of the pull; its bounds differ while the rate changes. None without an estimate."""
    error: str | None = None
    layer_count: int = 0
    """All layers of the image, including those left out of `layers`."""
    layers_done: int = 0
    """Finished layers: done, cached or lazy."""
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReport:
    """The report of one agent about its node: the content of one Lease."""

    pulls: tuple[Pull, ...] = ()
    """The running pulls, oldest first."""
    recent: tuple[Pull, ...] = ()
    """The ended pulls, newest first. A Lease has them without layers."""
    unpack_bytes_per_second: float | None = None
    """Unpack rate of the node in compressed bytes a second; learned by its agent, and kept over restarts."""
    error: str | None = None
    """Why the pulls are not up to date, such as a containerd that does not answer; None otherwise."""
    omitted_pulls: int = 0
    """Running pulls that were left out of the Lease."""
    refused_writes: int = 0
    """Requests that the API server refused with 429 since the agent started."""
    failed_polls: int = 0
    """Failed polls of containerd since the agent started."""
    problems: tuple[str, ...] = ()
    """Unusable values that the decoder found, one line each; empty in the agent."""
