"""The agent's half of the bus in a cluster: its Lease of `coordination.k8s.io/v1` in Pulltrace's own namespace.

A write is one merge patch of the keys that changed, and nothing is read first: only the agent of a node
writes its Lease, so there is nobody to lose an update to. The first write of a node finds no Lease and makes
one that belongs to the Node, so that it goes with it. Agents' Leases carry a label, because the leader
election keeps its own Lease in the same namespace and the watch must not take it for a node. A Lease that has
lost them gets them back with the next write, or the watch would never see it again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pulltrace.kube.client.api import MERGE_PATCH, Requesting
from pulltrace.kube.decoding.fields import Raw, needed_text, text_of, unix_seconds
from pulltrace.kube.errors import ApiError, ApiUnreachable
from pulltrace.kube.resources.leases import LeasePatch, LeaseRecord, is_ours
from pulltrace.pulls.lease_format.annotations import READ_BYTES

LABELS = {"app.kubernetes.io/name": "pulltrace", "app.kubernetes.io/component": "agent"}

NO_MANAGED_FIELDS: tuple[dict[str, Any], ...] = ({},)
"""Ends the API server's book-keeping of who set which field, for an object that is never applied: of each patch that is an eighth
of the API server's work, and of a busy node's Lease an eighth of its bytes (`benchmarks/patch_cost.py`). By "Clearing managedFields"
of Kubernetes' page on Server-Side Apply."""

_log = logging.getLogger(__name__)


def leases_path(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases"


class KubeLeaseStore:
    """`LeaseWriting` over the API server: `get` and `patch` raise `KubeError`."""

    def __init__(self, connection: Requesting, namespace: str) -> None:
        self._api = connection
        self._path = leases_path(namespace)
        self._may_label = True

    async def get(self, name: str) -> LeaseRecord | None:
        try:
            _, raw = await self._api.request("GET", self._one(name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return _answered(raw)

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
        # Somebody made it in between: this agent's predecessor, whose answer was lost on the way.
        return await self._merge(name, body)

    def _one(self, name: str) -> str:
        return f"{self._path}/{quote(name, safe='')}"

    async def _merge(self, name: str, body: dict[str, Any]) -> LeaseRecord:
        raw = await self._send(name, body)
        record = _answered(raw)
        # `LABELS` are not in the first patch: it would take 100 bytes of every write to mend what hardly ever breaks.
        if not self._may_label or LABELS.items() <= (raw["metadata"].get("labels") or {}).items():
            return record
        try:
            labels = {"labels": LABELS, "managedFields": NO_MANAGED_FIELDS}
            return _answered(await self._send(name, {"metadata": labels}))
        except ApiError as error:
            if error.status not in {403, 422}:
                raise
            # A policy may keep agents from labelling. The write itself has been done: this is no failure of it.
            self._may_label = False
            _log.warning("the Lease of node %s lacks its labels and stays invisible to the aggregator: %s", name, error)
            return record

    async def _send(self, name: str, body: dict[str, Any]) -> Any:
        _, raw = await self._api.request("PATCH", self._one(name), body=body, content_type=MERGE_PATCH)
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
        _, raw = await self._api.request("POST", self._path, body=body)
        return _answered(raw)

    async def _node_uid(self, name: str) -> str | None:
        """What the ownerReference needs; None where Nodes may not be read, and the Lease then outlives its node."""
        try:
            _, node = await self._api.request("GET", f"/api/v1/nodes/{quote(name, safe='')}")
        except ApiError as error:
            if error.status in {403, 404}:
                return None
            raise
        try:
            return str(node["metadata"]["uid"])
        except (KeyError, TypeError) as error:
            raise ApiUnreachable(f"node {name} was answered with something that is not a Node") from error


def _spec(patch: LeasePatch) -> dict[str, Any]:
    return {
        "holderIdentity": patch.holder,
        "renewTime": micro_time(patch.renewed_at),
        "leaseDurationSeconds": patch.duration_seconds,
    }


def micro_time(seconds: float) -> str:
    """Unix seconds as a MicroTime: UTC, and always six digits, or other clients fail to read it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def lease_record(raw: Raw) -> LeaseRecord:
    """A Lease as the API sends it. Whoever may write Leases wrote it: of its values only the form is certain."""
    metadata: Mapping[str, Any] = raw["metadata"]
    spec: Mapping[str, Any] = raw.get("spec") or {}
    annotations: Mapping[str, Any] = metadata.get("annotations") or {}
    duration_seconds = spec.get("leaseDurationSeconds")
    return LeaseRecord(
        name=needed_text(metadata["name"]),
        annotations=_ours(annotations),
        holder=text_of(spec.get("holderIdentity")) or None,
        renewed_at=unix_seconds(spec.get("renewTime")),
        duration_seconds=duration_seconds if type(duration_seconds) is int and duration_seconds > 0 else None,
        version=text_of(metadata.get("resourceVersion")),
    )


def _ours(annotations: Mapping[str, Any]) -> dict[str, str]:
    """Pulltrace's annotations; little more than a reader takes where they are more, which is enough to see that."""
    kept: dict[str, str] = {}
    size = 0
    for key, value in annotations.items():
        if is_ours(key) and isinstance(value, str):
            kept[key] = value[: READ_BYTES + 1]
            size += len(key) + len(value)
            if size > READ_BYTES:
                break
    return kept


def _answered(raw: Any) -> LeaseRecord:
    try:
        return lease_record(raw)
    except (KeyError, TypeError, AttributeError) as error:
        raise ApiUnreachable("a request for a Lease was answered with something that is not a Lease") from error
