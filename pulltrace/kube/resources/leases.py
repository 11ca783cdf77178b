"""The nodes' Leases: one `coordination.k8s.io/v1` Lease a node, written by its agent and watched by the aggregator.

Two stores keep the same contract and pass the same tests: `KubeLeaseStore` with a `Reflector` over the API server, and
`kube.resources.in_memory.MemoryLeaseStore` within one process (`standalone`, `demo`).

A write is one merge patch of the keys that changed, without a read before it: only the agent of a node writes its
Lease, so no update is lost. The first write of a node finds no Lease and creates one that its Node owns, so that both
are deleted together. Agents' Leases have labels, because the leader election has a Lease in the same namespace that the
watch must not read as a node. A Lease without them would be invisible to the watch; the next write restores them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

from pulltrace.kube.client.api import MERGE_PATCH, ApiClient
from pulltrace.kube.decoding.api_objects import Raw, required_text, text_or_empty, unix_seconds
from pulltrace.kube.decoding.partial_json import Shape
from pulltrace.kube.errors import ApiError, ApiUnreachable
from pulltrace.kube.watch.list_watch import ListWatch
from pulltrace.pulls.lease_format.annotations import READ_BYTES

ANNOTATION_DOMAINS = ("pulltrace.io", "pull.pulltrace.io")
"""Domains of Pulltrace's annotations; all others are ignored."""

LABELS = {"app.kubernetes.io/name": "pulltrace", "app.kubernetes.io/component": "agent"}

WRITE_PERMISSION = "get, create and patch leases.coordination.k8s.io"

NO_MANAGED_FIELDS: tuple[dict[str, Any], ...] = ({},)
"""Clears `managedFields` of an object that is never applied: each patch costs the API server an eighth less, and a busy
node's Lease has an eighth fewer bytes (`benchmarks/patch_cost.py`). From "Clearing managedFields" of Kubernetes' page on
Server-Side Apply."""

LEASE_SHAPE: Shape = {
    "metadata": dict.fromkeys(("name", "namespace", "resourceVersion", "annotations")),
    "spec": dict.fromkeys(("holderIdentity", "renewTime", "leaseDurationSeconds")),
}
"""Fields that `lease_record` reads of a large Lease; API servers limit an object's annotations to 256 KiB."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The part of a Lease that Pulltrace reads."""

    name: str
    """The node's name."""
    annotations: Mapping[str, str]
    """Those of Pulltrace only (`pulltrace.io/…` and `pull.pulltrace.io/…`)."""
    holder: str | None = None
    renewed_at: float | None = None
    """`spec.renewTime` in Unix seconds on the *agent's* clock: for display, never compared with another clock."""
    duration_seconds: int | None = None
    """A Lease that has not changed for so long, on the reader's clock, has expired."""
    version: str = ""
    """`metadata.resourceVersion`: changes with every write."""


@dataclass(frozen=True, slots=True)
class LeasePatch:
    """The changes of one write."""

    annotations: Mapping[str, str | None]
    """None removes the key; other keys stay."""
    holder: str
    renewed_at: float
    duration_seconds: int


class LeaseWriting(Protocol):
    """The agent's store: it reads its own Lease at start, and writes it.

    Both methods raise `kube.errors.KubeError`: `ApiError` (with the server's Retry-After, if any) or `ApiUnreachable`.
    """

    async def get(self, name: str) -> LeaseRecord | None: ...

    async def patch(self, name: str, patch: LeasePatch) -> LeaseRecord:
        """Merge `patch` into the Lease; create it, owned by its Node, if it does not exist."""


class KubeLeaseStore:
    """`LeaseWriting` over the API server."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self._path = leases_path(namespace)
        self._may_label = True

    async def get(self, name: str) -> LeaseRecord | None:
        try:
            _, raw = await self._client.request("GET", self._path_of(name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return response_record(raw)

    async def patch(self, name: str, patch: LeasePatch) -> LeaseRecord:
        metadata = {"annotations": dict(patch.annotations), "managedFields": NO_MANAGED_FIELDS}
        body = {"metadata": metadata, "spec": _spec(patch)}
        try:
            return await self._merge(name, body)
        except ApiError as error:
            if error.status != 404:
                raise
        try:
            return await self._create(name, patch)
        except ApiError as error:
            if error.status != 409:
                raise
        # The agent's predecessor has created it meanwhile; the response was lost.
        return await self._merge(name, body)

    def _path_of(self, name: str) -> str:
        return f"{self._path}/{quote(name, safe='')}"

    async def _merge(self, name: str, body: dict[str, Any]) -> LeaseRecord:
        raw = await self._send(name, body)
        record = response_record(raw)
        # The first patch has no labels: they would add 100 bytes to every write for a rare repair.
        if not self._may_label or LABELS.items() <= (raw["metadata"].get("labels") or {}).items():
            return record
        try:
            labels = {"labels": LABELS, "managedFields": NO_MANAGED_FIELDS}
            return response_record(await self._send(name, {"metadata": labels}))
        except ApiError as error:
            if error.status not in {403, 422}:
                raise
            # A policy may deny labels to agents. The report itself is written, so the write has not failed.
            self._may_label = False
            _log.warning("the Lease of node %s lacks its labels and stays invisible to the aggregator: %s", name, error)
            return record

    async def _send(self, name: str, body: dict[str, Any]) -> Any:
        _, raw = await self._client.request("PATCH", self._path_of(name), body=body, content_type=MERGE_PATCH)
        return raw

    async def _create(self, name: str, patch: LeasePatch) -> LeaseRecord:
        metadata: dict[str, Any] = {
            "name": name,
            "labels": LABELS,
            "annotations": {key: value for key, value in patch.annotations.items() if value is not None},
        }
        if uid := await self._node_uid(name):
            metadata["ownerReferences"] = [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}]
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": _spec(patch)}
        _, raw = await self._client.request("POST", self._path, body=body)
        return response_record(raw)

    async def _node_uid(self, name: str) -> str | None:
        """Return the UID for the ownerReference; None if the Node is unreadable: the Lease then outlives its node."""
        try:
            _, node = await self._client.request("GET", f"/api/v1/nodes/{quote(name, safe='')}")
        except ApiError as error:
            if error.status in {403, 404}:
                return None
            raise
        try:
            return str(node["metadata"]["uid"])
        except (KeyError, TypeError) as error:
            raise ApiUnreachable(f"node {name} was answered with something that is not a Node") from error


def leases_path(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases"


def lease_list_watch(namespace: str) -> ListWatch[LeaseRecord]:
    """Return the list and watch of the agents' Leases."""
    return ListWatch(
        resource="leases",
        path=leases_path(namespace),
        decode=lease_record,
        permission=f"list and watch leases.coordination.k8s.io in namespace {namespace}",
        selectors={"labelSelector": ",".join(f"{key}={value}" for key, value in LABELS.items())},
        shape=LEASE_SHAPE,
    )


def lease_record(raw: Raw) -> LeaseRecord:
    """Return the record of a Lease. Only the types of its values are certain: any client with the permission wrote it."""
    metadata: Mapping[str, Any] = raw["metadata"]
    spec: Mapping[str, Any] = raw.get("spec") or {}
    annotations: Mapping[str, Any] = metadata.get("annotations") or {}
    duration_seconds = spec.get("leaseDurationSeconds")
    return LeaseRecord(
        name=required_text(metadata["name"]),
        annotations=_own_annotations(annotations),
        holder=text_or_empty(spec.get("holderIdentity")) or None,
        renewed_at=unix_seconds(spec.get("renewTime")),
        duration_seconds=duration_seconds if type(duration_seconds) is int and duration_seconds > 0 else None,
        version=text_or_empty(metadata.get("resourceVersion")),
    )


def response_record(raw: Any) -> LeaseRecord:
    """Return the record of a response's Lease. Raises `ApiUnreachable` for anything but a Lease."""
    try:
        return lease_record(raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise ApiUnreachable("a request for a Lease was answered with something that is not a Lease") from error


def is_own_annotation(key: str) -> bool:
    """Return whether an annotation key is one of Pulltrace's."""
    return key.partition("/")[0] in ANNOTATION_DOMAINS


def micro_time(seconds: float) -> str:
    """Return Unix seconds as a MicroTime: UTC with exactly six digits, which other clients require."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _spec(patch: LeasePatch) -> dict[str, Any]:
    return {
        "holderIdentity": patch.holder,
        "renewTime": micro_time(patch.renewed_at),
        "leaseDurationSeconds": patch.duration_seconds,
    }


def _own_annotations(annotations: Mapping[str, Any]) -> dict[str, str]:
    """Return Pulltrace's annotations, up to just beyond `READ_BYTES`, by which a reader sees that they are too long."""
    kept: dict[str, str] = {}
    size = 0
    for key, value in annotations.items():
        if is_own_annotation(key) and isinstance(value, str):
            kept[key] = value[: READ_BYTES + 1]
            size += len(key) + len(value)
            if size > READ_BYTES:
                break
    return kept
