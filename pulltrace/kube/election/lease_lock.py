"""The Lease of an election, as one of the candidates sees it: who holds it, until when, and how it is taken.

The record (`spec`) is the one of Kubernetes' own controllers. `renewTime` is for people: a record that has not
changed for its duration *on our clock* is nobody's any more, whatever the clocks of other machines say. Every write
carries the version that was read, so of two that want the Lease at once, one gets a conflict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from pulltrace.kube.client.api import MERGE_PATCH, Requesting
from pulltrace.kube.decoding.fields import Raw
from pulltrace.kube.errors import ApiError, ApiUnreachable
from pulltrace.kube.resources.lease_store import leases_path, micro_time

LABELS = {"app.kubernetes.io/name": "pulltrace", "app.kubernetes.io/component": "aggregator"}
"""Not those of agents' Leases, or the aggregator would take this one for a node's."""
LONGEST_HOLD_SECONDS = 60
"""A record that claims to hold for longer does not keep others waiting."""
RELEASED_SECONDS = 1
"""The duration in a released Lease: it may not be 0."""


class ElectionLease:
    """Reads and writes it for the candidate `identity`. Every call may raise `KubeError`."""

    def __init__(
        self,
        connection: Requesting,
        namespace: str,
        name: str,
        identity: str,
        lease_seconds: float,
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.name = name
        self._api = connection
        self._collection = leases_path(namespace)
        self._path = f"{self._collection}/{quote(name, safe='')}"
        self._identity = identity
        self._lease_seconds = lease_seconds
        self._monotonic = monotonic
        self._wall = wall
        self._raw: Raw | None = None  # as it was last seen
        self._changed_at = 0.0  # when its record last changed, on our clock

    @property
    def annotations(self) -> Mapping[str, str]:
        """As they were last seen."""
        return {} if self._raw is None else self._raw["metadata"].get("annotations") or {}

    @property
    def holder(self) -> str | None:
        holder = self._record.get("holderIdentity")
        return holder if isinstance(holder, str) and holder else None

    @property
    def free_at(self) -> float:
        """When we may write it, by our own clock."""
        if self.holder in {None, self._identity}:
            return -math.inf
        seconds = self._record.get("leaseDurationSeconds")
        if not isinstance(seconds, int) or not 0 < seconds <= LONGEST_HOLD_SECONDS:
            seconds = self._lease_seconds
        return self._changed_at + seconds

    async def take(self, annotations: Mapping[str, str], *, known: bool) -> bool:
        """One try to hold it for another term: whether it is ours.

        Who knows it need not look at it first, unless it was changed under its hands (a remark, a person).
        """
        if known:
            try:
                await self._hold(annotations)
            except ApiError as error:
                if error.status not in {404, 409}:
                    raise
            else:
                return True
        await self.look()
        if self._monotonic() < self.free_at:
            return False
        await self._hold(annotations)
        return True

    async def look(self) -> None:
        """Read it; that there is none yet is no error."""
        try:
            _, raw = await self._api.request("GET", self._path)
        except ApiError as error:
            if error.status != 404:
                raise
            self._raw = None
        else:
            self._saw(raw)

    async def release(self) -> None:
        """Leave it to whoever comes next; nothing where it is not ours. A write that was broken off may have arrived."""
        await self.look()
        while self.holder == self._identity:
            times = dict.fromkeys(("acquireTime", "renewTime"), micro_time(self._wall()))
            released = {**self._record, **times, "holderIdentity": "", "leaseDurationSeconds": RELEASED_SECONDS}
            try:
                await self._write(released, {})
            except ApiError as error:
                if error.status != 409:
                    raise
                await self.look()

    async def remark(self, annotations: Mapping[str, str]) -> None:
        """Write annotations without holding it; to the election that is no change."""
        body = {"metadata": {"annotations": dict(annotations)}}
        await self._api.request("PATCH", self._path, body=body, content_type=MERGE_PATCH)

    async def _hold(self, annotations: Mapping[str, str]) -> None:
        before, now = self._record, micro_time(self._wall())
        record = {
            **before,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": math.ceil(self._lease_seconds),
            "renewTime": now,
        }
        if self.holder != self._identity:
            transitions = before.get("leaseTransitions")
            record["acquireTime"] = now
            record["leaseTransitions"] = 0 if self._raw is None else (transitions or 0) + 1
        await self._write(record, annotations)

    async def _write(self, record: dict[str, Any], annotations: Mapping[str, str]) -> None:
        if self._raw is None:
            metadata = {"name": self.name, "labels": LABELS, "annotations": dict(annotations)}
            made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": record}
            _, raw = await self._api.request("POST", self._collection, body=made)
        else:
            metadata = {**self._raw["metadata"], "annotations": {**self.annotations, **annotations}}
            changed = {**self._raw, "metadata": metadata, "spec": record}
            _, raw = await self._api.request("PUT", self._path, body=changed)
        self._saw(raw)

    def _saw(self, raw: Any) -> None:
        if not (isinstance(raw, dict) and isinstance(raw.get("metadata"), dict)):
            raise ApiUnreachable("a request for a Lease was answered with something that is not a Lease")
        if self._raw is None or self._raw.get("spec") != raw.get("spec"):
            self._changed_at = self._monotonic()
        self._raw = raw

    @property
    def _record(self) -> Mapping[str, Any]:
        return {} if self._raw is None else self._raw.get("spec") or {}
