"""The values of a running pull that an `Observer` keeps, so that it reads nothing twice from containerd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pulltrace.containerd.manifests import Manifest
from pulltrace.containerd.proto import containerd_pb2 as pb


@dataclass(slots=True)
class PullCache:
    """The facts of one lease that do not change any more, and its last poll."""

    index_digest: str | None = None
    manifests: dict[str, Manifest] = field(default_factory=dict)
    chains: dict[str, str] = field(default_factory=dict)
    """Layer digest to the last chain ID that it unpacks to."""
    chain_order: tuple[str, ...] = ()
    downloading: Mapping[str, pb.IngestStatus] | None = None
    """Layers that this pull or another was downloading at the last poll, by digest; None before the first."""
    stored_at: dict[str, float] = field(default_factory=dict)
    """By layer digest."""
    unpacked_at: dict[str, float] = field(default_factory=dict)
    """By chain ID."""
    lazy_chains: set[str] = field(default_factory=set)
    """Chain IDs whose snapshots fetch their bytes when they are read."""
    content: frozenset[str] = frozenset()
    """The blobs that the lease held at the last poll."""
    repositories: tuple[str, ...] = ()
    polls_without_config: int = 0
