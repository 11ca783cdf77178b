"""What an `Observer` remembers of a pull, so that it asks containerd for nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pulltrace.containerd.manifests import Manifest
from pulltrace.containerd.proto import containerd_pb2 as pb


@dataclass(slots=True)
class Memory:
    """What is known of one lease and cannot change any more."""

    index_digest: str | None = None
    manifests: dict[str, Manifest] = field(default_factory=dict)
    chains: dict[str, str] = field(default_factory=dict)
    """Layer digest to the (last) chain ID that it unpacks to."""
    chain_order: tuple[str, ...] = ()
    arriving: Mapping[str, pb.IngestStatus] | None = None
    """Layers that were being downloaded at the last look, by this pull or by another; None before the first."""
    stored_at: dict[str, float] = field(default_factory=dict)
    unpacked_at: dict[str, float] = field(default_factory=dict)
    lazy: set[str] = field(default_factory=set)
    """Chain IDs whose snapshots fetch their bytes when they are read."""
    content: frozenset[str] = frozenset()
    """The blobs that the lease held at the last look."""
    repositories: tuple[str, ...] = ()
    observations_without_config: int = 0
