"""The bus: one `coordination.k8s.io/v1` Lease a node, written by its agent, watched by the aggregator.

Two buses keep the same contract and pass the same tests: the API server (`kube.resources.lease_store.KubeLeaseStore` writes,
`kube.resources.lease_watch.KubeLeaseWatch` watches) and `kube.resources.in_memory.MemoryLeaseStore` (one process, for `standalone` and `demo`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from pulltrace.kube.watch.watch_events import WatchEvent

ANNOTATION_DOMAINS = ("pulltrace.io", "pull.pulltrace.io")
"""Annotations of these domains are Pulltrace's; all others belong to somebody else and are not read."""


def is_ours(annotation: str) -> bool:
    """Whether an annotation key is one of Pulltrace's."""
    return annotation.partition("/")[0] in ANNOTATION_DOMAINS


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease, as far as Pulltrace reads it."""

    name: str
    """The node's name."""
    annotations: Mapping[str, str]
    """Only those of Pulltrace (`pulltrace.io/…` and `pull.pulltrace.io/…`)."""
    holder: str | None = None
    renewed_at: float | None = None
    """`spec.renewTime` in Unix seconds on the *agent's* clock: for people, never compared with ours."""
    duration_seconds: int | None = None
    """After so long without a change, seen by our own clock, the Lease has expired."""
    version: str = ""
    """`metadata.resourceVersion`: changes with every write."""


@dataclass(frozen=True, slots=True)
class LeasePatch:
    """What one write changes."""

    annotations: Mapping[str, str | None]
    """None removes the key; keys that are not named stay."""
    holder: str
    renewed_at: float
    duration_seconds: int


class LeaseWriting(Protocol):
    """What the agent needs: read its own Lease at start, then write it.

    Both raise `kube.errors.KubeError`: `ApiError` (with the server's Retry-After, if any) or `ApiUnreachable`.
    """

    async def get(self, name: str) -> LeaseRecord | None: ...

    async def patch(self, name: str, patch: LeasePatch) -> LeaseRecord:
        """Merge `patch` into the Lease; make it (owned by its Node) where there is none."""


class LeaseWatching(Protocol):
    """What the aggregator needs: a list, then changes, then lists and changes again, without end."""

    def watch(self) -> AsyncIterator[WatchEvent[LeaseRecord]]: ...
