"""The watch of the Leases: which ones it shows. The rest is in tests/conformance/test_lease_store.py."""

from __future__ import annotations

from contextlib import aclosing

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.resources.lease_store import KubeLeaseStore
from pulltrace.kube.resources.lease_watch import KubeLeaseWatch
from pulltrace.kube.resources.leases import LeasePatch
from pulltrace.kube.watch.watch_events import Listed, Put
from tests.fakes.api_server import FakeApiServer

PATCH = LeasePatch({"pulltrace.io/summary": "idle"}, holder="agent-x", renewed_at=1_700_000_000, duration_seconds=40)


async def test_the_election_is_not_a_node(server: FakeApiServer, connection: Connection) -> None:
    """A Lease without the agents' label, in the same namespace, is not watched."""
    store, watching = KubeLeaseStore(connection, "ns"), KubeLeaseWatch(connection, "ns")
    leader = {
        "metadata": {"name": "leader", "namespace": "ns", "labels": {"app.kubernetes.io/component": "aggregator"}}
    }
    server.put("leases", leader)
    async with aclosing(watching.watch()) as events:
        assert await anext(events) == Listed(())
        server.put("leases", leader)
        written = await store.patch("node-1", PATCH)
        assert await anext(events) == Put(written)
    assert watching.health.synced
