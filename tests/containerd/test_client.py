"""The calls to containerd over a real channel: what they carry, and how their failures come out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import grpc
import pytest

from pulltrace.containerd.client import (
    ContainerdClient,
    ContainerdError,
    ContainerdUnavailable,
    NotFound,
    connect,
)
from tests.fakes.containerd import NAMESPACE, FakeContainerd, image, until

Call = Callable[[ContainerdClient], Awaitable[object]]

ABSENT = "sha256:" + "0" * 64
CALLS: dict[str, Call] = {
    "Leases/List": lambda client: client.leases(),
    "Leases/ListResources": lambda client: client.lease_resources("pull-1"),
    "Content/ListStatuses": lambda client: client.ingests(),
    "Content/Info": lambda client: client.content_info(ABSENT),
    "Content/Read": lambda client: client.read_content(ABSENT, 0),
    "Images/List": lambda client: client.images(),
    "Snapshots/Stat": lambda client: client.snapshot("overlayfs", ABSENT),
}
every_call = pytest.mark.parametrize(("name", "call"), CALLS.items(), ids=CALLS)


async def test_a_pull_is_read_call_by_call(node: FakeContainerd, client: ContainerdClient) -> None:
    """Leases, resources, ingests, blobs, snapshots and images come out as they are."""
    nginx = image("docker.io/library/nginx", ("a", 10), ("b", 20))
    pull = node.pull(nginx).resolve().commit(0).unpack(0).download(1, 5)

    assert [lease.id for lease in await client.leases()] == ["pull-1"]
    assert {resource.type for resource in await client.lease_resources("pull-1")} == {
        "content",
        "ingests",
        "snapshots/overlayfs",
    }
    assert [(ingest.ref, ingest.offset) for ingest in await client.ingests()] == [(f"layer-{nginx.layers[1][0]}", 5)]
    assert (await client.content_info(nginx.target_digest)).labels == {
        "containerd.io/distribution.source.docker.io": "library/nginx"
    }
    assert (await client.snapshot("overlayfs", nginx.chain[0])).name == nginx.chain[0]
    pull.record("docker.io/library/nginx:1.29")
    assert [record.name for record in await client.images()] == ["docker.io/library/nginx:1.29"]


async def test_a_blob_that_comes_in_parts_is_whole(node: FakeContainerd, client: ContainerdClient) -> None:
    """All of a blob, or as many of its first bytes as were asked for."""
    data = bytes(range(256))
    digest = node.store(data)

    assert await client.read_content(digest, 0) == data
    assert await client.read_content(digest, 100) == data[:100]


async def test_every_call_is_made_in_a_namespace(node: FakeContainerd) -> None:
    """A client of another namespace does not see Kubernetes' pulls; containerd refuses one without any."""
    async with connect(str(node.socket), "moby") as other:
        for call in CALLS.values():
            with pytest.raises(ContainerdError, match="namespace"):
                await call(other)


@every_call
async def test_an_absent_object_is_not_found(
    node: FakeContainerd, client: ContainerdClient, name: str, call: Call
) -> None:
    """Things end between two calls: that is an answer of its own."""
    node.errors[name] = grpc.StatusCode.NOT_FOUND

    with pytest.raises(NotFound):
        await call(client)


@every_call
@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED])
async def test_a_containerd_that_is_away_is_unavailable(
    node: FakeContainerd, client: ContainerdClient, name: str, call: Call, code: grpc.StatusCode
) -> None:
    """Whether it refuses or is too slow: later is another time to ask."""
    node.errors[name] = code

    with pytest.raises(ContainerdUnavailable):
        await call(client)


@every_call
async def test_any_other_error_has_the_call_and_the_reason(
    node: FakeContainerd, client: ContainerdClient, name: str, call: Call
) -> None:
    """The text is for a log line: method, status and reason."""
    node.errors[name] = grpc.StatusCode.UNKNOWN

    with pytest.raises(ContainerdError, match=f"^{name.partition('/')[2]}: UNKNOWN: .*set to fail$") as raised:
        await call(client)
    assert type(raised.value) is ContainerdError


@pytest.mark.parametrize("name", ["Leases/List", "Content/Read"])
async def test_a_call_that_hangs_ends_at_its_deadline(node: FakeContainerd, name: str) -> None:
    """A containerd that takes the call and never answers does not hold up the agent."""
    node.hanging.add(name)

    async with connect(str(node.socket), NAMESPACE, call_seconds=0.1) as client:
        with pytest.raises(ContainerdUnavailable, match="DEADLINE_EXCEEDED"):
            await CALLS[name](client)


async def test_an_absent_socket_is_unavailable() -> None:
    """Opening never fails; the first call does."""
    async with connect("/nonexistent/containerd.sock", NAMESPACE) as client:
        with pytest.raises(ContainerdUnavailable, match=re.escape("List: UNAVAILABLE")):
            await client.leases()


async def test_one_channel_survives_a_restart(node: FakeContainerd, client: ContainerdClient) -> None:
    """A containerd that comes back on a new socket is found again, without a new connection being made by hand."""
    await client.leases()
    await node.stop()
    with pytest.raises(ContainerdUnavailable):
        await client.leases()
    await node.start()

    async def answers() -> bool:
        try:
            await client.leases()
        except ContainerdUnavailable:
            return False
        return True

    assert await until(answers)
