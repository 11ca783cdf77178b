"""Leases on an API server: owner, labels and races. The contract of all stores is in tests/conformance/test_leases.py."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.api import ApiClient
from pulltrace.kube.errors import ApiError, ApiUnreachable
from pulltrace.kube.resources.leases import (
    LABELS,
    KubeLeaseStore,
    LeasePatch,
    lease_list_watch,
    lease_record,
    micro_time,
)
from pulltrace.kube.watch.reflector import Reflector
from pulltrace.kube.watch.watch_events import Replaced, Upserted
from pulltrace.pulls.lease_format.annotations import READ_BYTES, decode
from tests.fakes.api_server import FakeApiServer
from tests.fakes.api_server_faults import html, lines, status

HUGE = 256 * 1024
"""Longest annotations that an API server accepts."""
PATCH = LeasePatch({"pulltrace.io/summary": "idle"}, holder="agent-x", renewed_at=1_700_000_000, duration_seconds=40)
NODE = {"metadata": {"name": "node-1", "uid": "1234"}}


@pytest.fixture
def store(connection: AiohttpClient) -> KubeLeaseStore:
    return KubeLeaseStore(connection, "ns")


async def test_a_new_lease_belongs_to_its_node(server: FakeApiServer, store: KubeLeaseStore) -> None:
    """The garbage collector takes it with the Node, and the watch finds it by its labels."""
    server.put("nodes", NODE)
    await store.patch("node-1", PATCH)

    metadata = server.get("leases", "ns", "node-1")["metadata"]
    assert metadata["ownerReferences"] == [{"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "1234"}]
    assert metadata["labels"] == {"app.kubernetes.io/name": "pulltrace", "app.kubernetes.io/component": "agent"}


async def test_a_write_is_one_request_with_the_changes(server: FakeApiServer, store: KubeLeaseStore) -> None:
    """An update reads nothing and sends only the keys it is given."""
    server.put("leases", {"metadata": {"name": "node-1", "namespace": "ns", "labels": LABELS}})
    await store.patch("node-1", PATCH)

    [seen] = server.seen
    assert (seen.method, seen.headers["Content-Type"]) == ("PATCH", "application/merge-patch+json")
    assert seen.body == {
        "metadata": {"annotations": {"pulltrace.io/summary": "idle"}, "managedFields": [{}]},
        "spec": {
            "holderIdentity": "agent-x",
            "renewTime": "2023-11-14T22:13:20.000000Z",
            "leaseDurationSeconds": 40,
        },
    }


@pytest.mark.parametrize("code", [403, 404])
async def test_a_lease_without_a_node_has_no_owner(server: FakeApiServer, store: KubeLeaseStore, code: int) -> None:
    """The agent of an absent or unreadable Node still reports."""
    server.faults["GET"] = [status(code)]
    await store.patch("node-1", PATCH)

    assert "ownerReferences" not in server.get("leases", "ns", "node-1")["metadata"]


async def test_a_lease_made_in_between_is_patched(server: FakeApiServer, store: KubeLeaseStore) -> None:
    """404, then 409: the second patch finds the Lease."""
    server.put("leases", {"metadata": {"name": "node-1", "namespace": "ns", "labels": LABELS}})
    server.faults["PATCH"] = [status(404)]
    written = await store.patch("node-1", PATCH)

    assert written.annotations == PATCH.annotations
    assert [seen.method for seen in server.seen] == ["PATCH", "GET", "POST", "PATCH"]


@pytest.mark.parametrize(("kind", "code"), [("PATCH", 403), ("GET", 500), ("POST", 403)])
async def test_other_errors_are_raised(server: FakeApiServer, store: KubeLeaseStore, kind: str, code: int) -> None:
    """Other errors are raised."""
    server.faults[kind] = [status(code)]
    with pytest.raises(ApiError, match=str(code)):
        await store.patch("node-1", PATCH)


async def test_a_get_that_fails_is_not_an_absent_lease(server: FakeApiServer, store: KubeLeaseStore) -> None:
    """Only 404 means that the Lease is absent."""
    server.faults["GET"] = [status(500), html(200)]
    with pytest.raises(ApiError, match="500"):
        await store.get("node-1")
    with pytest.raises(ApiUnreachable):
        await store.get("node-1")


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"null", b'{"metadata": {}}'])
async def test_invalid_responses_are_unreachable(server: FakeApiServer, store: KubeLeaseStore, answer: bytes) -> None:
    """JSON that is neither a Lease nor a Node is `ApiUnreachable`."""
    server.faults["GET"] = [lines(answer)]
    with pytest.raises(ApiUnreachable, match="not a Lease"):
        await store.get("node-1")
    server.faults["GET"] = [lines(answer)]
    with pytest.raises(ApiUnreachable, match="not a Node"):
        await store.patch("node-1", PATCH)


async def test_lost_labels_come_back(server: FakeApiServer, store: KubeLeaseStore) -> None:
    """A Lease without its labels gets them back, and other labels stay."""
    server.put("leases", {"metadata": {"name": "node-1", "namespace": "ns", "labels": {"team": "x"}}})
    written = await store.patch("node-1", PATCH)
    await store.patch("node-1", PATCH)

    lease = server.get("leases", "ns", "node-1")
    assert lease["metadata"]["labels"] == {"team": "x", **LABELS}
    assert written.annotations == PATCH.annotations
    assert [seen.method for seen in server.seen] == ["PATCH", "PATCH", "PATCH"]


class KeepingLabels:
    """A client of a server whose policy denies labels to agents."""

    def __init__(self, connection: ApiClient) -> None:
        self._connection = connection
        self.namespace = connection.namespace

    async def request(self, method: str, path: str, *, body: Any = None, **rest: Any) -> tuple[int, Any]:
        if method == "PATCH" and "labels" in body["metadata"]:
            raise ApiError(403, "an agent may not choose labels")
        return await self._connection.request(method, path, body=body, **rest)


async def test_labels_that_may_not_be_set_do_not_fail_the_write(
    server: FakeApiServer, connection: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    """If a policy denies labels, the write succeeds, and the agent logs one line."""
    server.put("leases", {"metadata": {"name": "node-1", "namespace": "ns"}})
    store = KubeLeaseStore(KeepingLabels(connection), "ns")
    for _ in range(2):
        assert (await store.patch("node-1", PATCH)).annotations == PATCH.annotations

    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("the Lease of node node-1 lacks its labels and stays invisible to the aggregator: 403 ")


def test_times_have_six_digits() -> None:
    """Also a whole second, which other clients fail to read otherwise."""
    assert micro_time(0) == "1970-01-01T00:00:00.000000Z"


def test_a_bare_lease_is_a_record() -> None:
    """Nothing but the name is certain."""
    record = lease_record({"metadata": {"name": "node-1", "annotations": None}, "spec": None})

    assert (record.name, record.annotations, record.holder, record.version) == ("node-1", {}, None, "")


def test_a_huge_lease_is_cut_to_its_readable_part() -> None:
    """The record of one Lease is small, and shows that it was cut."""
    annotations = {"pulltrace.io/recent": "x" * HUGE, **{f"pull.pulltrace.io/{n}": "y" * 100 for n in range(1000)}}
    for several in (annotations, dict(reversed(annotations.items()))):
        record = lease_record({"metadata": {"name": "node-1", "annotations": several}})
        assert (
            READ_BYTES < sum(len(key) + len(value) for key, value in record.annotations.items()) < 2 * READ_BYTES + 100
        )
        assert "bytes of annotations" in decode(record.annotations).problems[0]


async def test_the_election_is_not_a_node(server: FakeApiServer, connection: AiohttpClient) -> None:
    """A Lease without the agents' labels, in the same namespace, is not listed."""
    store, reflector = KubeLeaseStore(connection, "ns"), Reflector(connection, lease_list_watch("ns"))
    leader = {
        "metadata": {"name": "leader", "namespace": "ns", "labels": {"app.kubernetes.io/component": "aggregator"}}
    }
    server.put("leases", leader)
    async with aclosing(reflector.watch()) as events:
        assert await anext(events) == Replaced(())
        server.put("leases", leader)
        written = await store.patch("node-1", PATCH)
        assert await anext(events) == Upserted(written)
    assert reflector.health.synced
