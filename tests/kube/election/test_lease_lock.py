"""Reads and writes of a candidate, over HTTP. test_leader_elector.py has the times of the leadership."""

from __future__ import annotations

import re

import pytest

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.election.lease_lock import LeaseLock
from pulltrace.kube.errors import ApiError, ApiUnreachable
from pulltrace.kube.resources import leases
from tests.builders.virtual_time import FakeTime
from tests.fakes.api_server import FakeApiServer
from tests.fakes.api_server_faults import html, lines, status

MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
OTHER = {"holderIdentity": "b", "leaseDurationSeconds": 15, "renewTime": "2030-01-01T00:00:00.000000Z"}


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def lease(connection: AiohttpClient, time: FakeTime) -> LeaseLock:
    return LeaseLock(connection, "ns", "election", "a", 15.0, monotonic=lambda: time.now, wall=lambda: 1_700_000_000)


def put(server: FakeApiServer, spec: dict[str, object], **metadata: object) -> None:
    server.put("leases", {"metadata": {"name": "election", "namespace": "ns", **metadata}, "spec": spec})


async def test_a_new_lease_is_no_agents(server: FakeApiServer, lease: LeaseLock) -> None:
    """The watch of the agents' Leases, which selects by their labels, does not list it."""
    assert await lease.acquire({"pulltrace.io/x": "1"}, held=False)

    made = server.get("leases", "ns", "election")
    assert not leases.LABELS.items() <= made["metadata"]["labels"].items()
    assert made["metadata"]["annotations"] == {"pulltrace.io/x": "1"}


async def test_times_have_six_digits(server: FakeApiServer, lease: LeaseLock) -> None:
    """E5: on a whole second too, or other clients fail to read them."""
    await lease.acquire({}, held=False)

    spec = server.get("leases", "ns", "election")["spec"]
    assert MICRO_TIME.fullmatch(spec["renewTime"])
    assert MICRO_TIME.fullmatch(spec["acquireTime"])


async def test_a_renewal_changes_the_time_and_nothing_else(server: FakeApiServer, lease: LeaseLock) -> None:
    """Fields of other clients stay, and so does the acquire time."""
    put(server, {}, labels={"team": "x"}, annotations={"theirs": "1"}, finalizers=["f"])
    await lease.acquire({}, held=False)
    before = server.get("leases", "ns", "election")
    await lease.acquire({"ours": "2"}, held=True)

    after = server.get("leases", "ns", "election")
    assert after["spec"] == before["spec"] | {"renewTime": after["spec"]["renewTime"]}
    assert after["metadata"]["annotations"] == {"theirs": "1", "ours": "2"}
    assert (after["metadata"]["labels"], after["metadata"]["finalizers"]) == ({"team": "x"}, ["f"])
    assert after["spec"]["leaseTransitions"] == 1


async def test_it_expires_after_its_duration_without_a_change(
    server: FakeApiServer, lease: LeaseLock, time: FakeTime
) -> None:
    """The duration starts with the first read of the record and again with each change; an annotation is not a change."""
    put(server, OTHER)
    assert not await lease.acquire({}, held=False)
    time.now = 10
    put(server, OTHER | {"renewTime": "2030-01-01T00:00:02.000000Z"})
    assert not await lease.acquire({}, held=False)
    time.now = 24.9
    put(server, OTHER | {"renewTime": "2030-01-01T00:00:02.000000Z"}, annotations={"by": "hand"})
    assert not await lease.acquire({}, held=False)
    time.now = 25

    assert await lease.acquire({}, held=False)


async def test_one_of_two_candidates_gets_a_conflict(
    server: FakeApiServer, lease: LeaseLock, connection: AiohttpClient, time: FakeTime
) -> None:
    """A write has the resource version that was read."""
    put(server, OTHER)
    await lease.get()
    rival = LeaseLock(connection, "ns", "election", "c", 15.0, monotonic=lambda: time.now, wall=lambda: 0)
    await rival.get()
    time.now = 15
    assert await rival.acquire({}, held=False)
    with pytest.raises(ApiError, match="409"):
        await lease._hold({})


async def test_two_that_create_it_do_not_both_hold_it(server: FakeApiServer, lease: LeaseLock) -> None:
    """The second creation is refused."""
    put(server, OTHER)
    server.faults["GET"] = [status(404)]
    with pytest.raises(ApiError, match="409"):
        await lease.acquire({}, held=False)


async def test_a_release_after_an_annotation_is_repeated(server: FakeApiServer, lease: LeaseLock) -> None:
    """A conflict does not delay the next leader."""
    await lease.acquire({}, held=False)
    await lease.annotate({"pulltrace.io/watched": "1"})
    await lease.release()

    assert server.get("leases", "ns", "election")["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"null", b'{"metadata": 1}'])
async def test_invalid_responses_are_unreachable(server: FakeApiServer, lease: LeaseLock, answer: bytes) -> None:
    """JSON that is not a Lease, and text that is not JSON, are `KubeError`s."""
    server.faults["GET"] = [lines(answer), html()]
    with pytest.raises(ApiUnreachable, match="not a Lease"):
        await lease.get()
    with pytest.raises(ApiError, match="502"):
        await lease.get()
