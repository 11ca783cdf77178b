"""Leases, as records and as the API server's objects."""

from __future__ import annotations

from typing import Any

from pulltrace.kube.resources.leases import LABELS, LeaseRecord
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport, Pull
from tests.builders.pods import NODE
from tests.builders.pulls import START

Raw = dict[str, Any]


class LeaseWriter:
    """Writes Leases as agents do, each with its own version."""

    def __init__(self) -> None:
        self.version = 0

    def lease(
        self,
        *pulls: Pull,
        node: str = NODE,
        recent: tuple[Pull, ...] = (),
        renewed_at: float = START + 60,
        duration_seconds: int | None = 40,
        omitted: int = 0,
        refused: int = 0,
        failed_polls: int = 0,
        junk: str | None = None,
    ) -> LeaseRecord:
        """Return the next Lease of a node; `junk` is the value of an additional annotation."""
        self.version += 1
        annotations = encode(NodeReport(pulls=pulls, recent=recent, refused_writes=refused, failed_polls=failed_polls))
        if omitted:
            annotations["pulltrace.io/node"] = f'{{"v":1,"omitted":{omitted}}}'
        if junk is not None:
            annotations["pull.pulltrace.io/0123456789ab"] = junk
        return LeaseRecord(node, annotations, "agent", renewed_at, duration_seconds, str(self.version))


def lease_object(
    name: str,
    annotations: dict[str, str] | None = None,
    *,
    holder: str = "agent",
    renew_time: str = "2026-01-01T00:00:00.000000Z",
    duration_seconds: int = 300,
    **metadata: Any,
) -> Raw:
    """Return a Lease as an agent creates it, as JSON; `metadata` replaces or adds fields of its metadata."""
    if annotations is None:
        annotations = {"pulltrace.io/summary": "idle", "pull.pulltrace.io/abc": "{}"}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "labels": LABELS, "annotations": annotations, **metadata},
        "spec": {"holderIdentity": holder, "renewTime": renew_time, "leaseDurationSeconds": duration_seconds},
    }
