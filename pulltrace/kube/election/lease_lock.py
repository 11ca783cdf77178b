"""The Lease of an election as one candidate sees it, as client-go's LeaseLock with its rules for acquire and renew.

The record (`spec`) is the one of Kubernetes' own controllers. `renewTime` is for display: a record that has not changed
for its lease duration *on this process' clock* has expired, whatever the clocks of other machines show. Every write has
the resource version that was read, so of two concurrent candidates one gets a conflict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from pulltrace.kube.client.api import MERGE_PATCH, ApiClient
from pulltrace.kube.decoding.api_objects import Raw
from pulltrace.kube.errors import ApiError, ApiUnreachable
from pulltrace.kube.resources.leases import leases_path, micro_time

LABELS = {"app.kubernetes.io/name": "pulltrace", "app.kubernetes.io/component": "aggregator"}
"""Different from those of agents' Leases, or the aggregator would read this one as a node."""
MAX_LEASE_DURATION_SECONDS = 60
"""A longer duration in the record is replaced by the candidate's own."""
RELEASED_SECONDS = 1
"""The lease duration of a released record: 0 is invalid."""


class LeaseLock:
    """Reads and writes the Lease for the candidate `identity`. Every method may raise `KubeError`."""

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        name: str,
        identity: str,
        lease_duration_seconds: float,
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self.name = name
        self._client = client
        self._collection = leases_path(namespace)
        self._path = f"{self._collection}/{quote(name, safe='')}"
        self._identity = identity
        self._lease_duration_seconds = lease_duration_seconds
        self._monotonic = monotonic
        self._wall = wall
        self._observed: Raw | None = None
        """The Lease as it was last read; None without one."""
        self._observed_at = 0.0
        """When its record last changed, on this process' clock."""

    @property
    def annotations(self) -> Mapping[str, str]:
        """The annotations as they were last read."""
        return {} if self._observed is None else self._observed["metadata"].get("annotations") or {}

    @property
    def holder(self) -> str | None:
        holder = self._record.get("holderIdentity")
        return holder if isinstance(holder, str) and holder else None

    @property
    def expires_at(self) -> float:
        """When this candidate may acquire the Lease, on its own clock."""
        if self.holder in {None, self._identity}:
            return -math.inf
        seconds = self._record.get("leaseDurationSeconds")
        if not isinstance(seconds, int) or not 0 < seconds <= MAX_LEASE_DURATION_SECONDS:
            seconds = self._lease_duration_seconds
        return self._observed_at + seconds

    async def acquire(self, annotations: Mapping[str, str], *, held: bool) -> bool:
        """Try once to acquire or renew the Lease; return whether this candidate holds it.

        A holder (`held`) writes without a read, unless another client (an annotation, a user) has changed the Lease.
        """
        if held:
            try:
                await self._hold(annotations)
            except ApiError as error:
                if error.status not in {404, 409}:
                    raise
            else:
                return True
        await self.get()
        if self._monotonic() < self.expires_at:
            return False
        await self._hold(annotations)
        return True

    async def get(self) -> None:
        """Read the Lease, which may not exist yet."""
        try:
            _, raw = await self._client.request("GET", self._path)
        except ApiError as error:
            if error.status != 404:
                raise
            self._observed = None
        else:
            self._observe(raw)

    async def release(self) -> None:
        """Release the Lease if this candidate holds it, even by a write whose response was lost."""
        await self.get()
        while self.holder == self._identity:
            times = dict.fromkeys(("acquireTime", "renewTime"), micro_time(self._wall()))
            released = {**self._record, **times, "holderIdentity": "", "leaseDurationSeconds": RELEASED_SECONDS}
            try:
                await self._write(released, {})
            except ApiError as error:
                if error.status != 409:
                    raise
                await self.get()

    async def annotate(self, annotations: Mapping[str, str]) -> None:
        """Write annotations without holding the Lease; the election ignores them."""
        body = {"metadata": {"annotations": dict(annotations)}}
        await self._client.request("PATCH", self._path, body=body, content_type=MERGE_PATCH)

    async def _hold(self, annotations: Mapping[str, str]) -> None:
        before, now = self._record, micro_time(self._wall())
        record = {
            **before,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": math.ceil(self._lease_duration_seconds),
            "renewTime": now,
        }
        if self.holder != self._identity:
            transitions = before.get("leaseTransitions")
            record["acquireTime"] = now
            record["leaseTransitions"] = 0 if self._observed is None else (transitions or 0) + 1
        await self._write(record, annotations)

    async def _write(self, record: dict[str, Any], annotations: Mapping[str, str]) -> None:
        if self._observed is None:
            metadata = {"name": self.name, "labels": LABELS, "annotations": dict(annotations)}
            created = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": record}
            _, raw = await self._client.request("POST", self._collection, body=created)
        else:
            metadata = {**self._observed["metadata"], "annotations": {**self.annotations, **annotations}}
            changed = {**self._observed, "metadata": metadata, "spec": record}
            _, raw = await self._client.request("PUT", self._path, body=changed)
        self._observe(raw)

    def _observe(self, raw: Any) -> None:
        if not (isinstance(raw, dict) and isinstance(raw.get("metadata"), dict)):
            raise ApiUnreachable("a request for a Lease was answered with something that is not a Lease")
        if self._observed is None or self._observed.get("spec") != raw.get("spec"):
            self._observed_at = self._monotonic()
        self._observed = raw

    @property
    def _record(self) -> Mapping[str, Any]:
        return {} if self._observed is None else self._observed.get("spec") or {}
