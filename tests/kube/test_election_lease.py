"""What a candidate reads and writes, over HTTP. Who leads and when is in test_leadership.py."""

from __future__ import annotations

import re

import pytest

from pulltrace.kube.client.aiohttp_client import Connection
from pulltrace.kube.election.lease_lock import ElectionLease
from pulltrace.kube.errors import ApiError, ApiUnreachable
from pulltrace.kube.resources import lease_store
from tests.builders.virtual_time import FakeTime
from tests.fakes.api_server import FakeApiServer
from tests.fakes.api_server_faults import html, lines, status

MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
OTHER = {"holderIdentity": "b", "leaseDurationSeconds": 15, "renewTime": "2030-01-01T00:00:00.000000Z"}


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def lease(connection: Connection, time: FakeTime) -> ElectionLease:
    return ElectionLease(
        connection, "ns", "election", "a", 15.0, monotonic=lambda: time.now, wall=lambda: 1_700_000_000
    )


def put(server: FakeApiServer, spec: dict[str, object], **metadata: object) -> None:
    server.put("leases", {"metadata": {"name": "election", "namespace": "ns", **metadata}, "spec": spec})


async def test_a_new_lease_is_no_agents(server: FakeApiServer, lease: ElectionLease) -> None:
    """The watch of the agents' Leases, which goes by their labels, does not see it."""
    assert await lease.take({"pulltrace.io/x": "1"}, known=False)

    made = server.get("leases", "ns", "election")
    assert not lease_store.LABELS.items() <= made["metadata"]["labels"].items()
    assert made["metadata"]["annotations"] == {"pulltrace.io/x": "1"}


async def test_times_have_six_digits(server: FakeApiServer, lease: ElectionLease) -> None:
    """E5: on a whole second too, or other clients fail to read them."""
    await lease.take({}, known=False)

    spec = server.get("leases", "ns", "election")["spec"]
    assert MICRO_TIME.fullmatch(spec["renewTime"])
    assert MICRO_TIME.fullmatch(spec["acquireTime"])


async def test_a_renewal_changes_the_time_and_nothing_else(server: FakeApiServer, lease: ElectionLease) -> None:
    """What others wrote in it stays, and since when it is held."""
    put(server, {}, labels={"team": "x"}, annotations={"theirs": "1"}, finalizers=["f"])
    await lease.take({}, known=False)
    before = server.get("leases", "ns", "election")
    await lease.take({"ours": "2"}, known=True)

    after = server.get("leases", "ns", "election")
    assert after["spec"] == before["spec"] | {"renewTime": after["spec"]["renewTime"]}
    assert after["metadata"]["annotations"] == {"theirs": "1", "ours": "2"}
    assert (after["metadata"]["labels"], after["metadata"]["finalizers"]) == ({"team": "x"}, ["f"])
    assert after["spec"]["leaseTransitions"] == 1


async def test_it_is_free_when_it_has_stood_still_for_its_duration(
    server: FakeApiServer, lease: ElectionLease, time: FakeTime
) -> None:
    """Counted from when we first saw the record, and again from each change of it; an annotation is none."""
    put(server, OTHER)
    assert not await lease.take({}, known=False)
    time.now = 10
    put(server, OTHER | {"renewTime": "2030-01-01T00:00:02.000000Z"})
    assert not await lease.take({}, known=False)
    time.now = 24.9
    put(server, OTHER | {"renewTime": "2030-01-01T00:00:02.000000Z"}, annotations={"by": "hand"})
    assert not await lease.take({}, known=False)
    time.now = 25

    assert await lease.take({}, known=False)


async def test_of_two_that_take_it_one_gets_a_conflict(
    server: FakeApiServer, lease: ElectionLease, connection: Connection, time: FakeTime
) -> None:
    """A write carries the version that was read."""
    put(server, OTHER)
    await lease.look()
    rival = ElectionLease(connection, "ns", "election", "c", 15.0, monotonic=lambda: time.now, wall=lambda: 0)
    await rival.look()
    time.now = 15
    assert await rival.take({}, known=False)
    with pytest.raises(ApiError, match="409"):
        await lease._hold({})


async def test_two_that_make_it_do_not_both_hold_it(server: FakeApiServer, lease: ElectionLease) -> None:
    """Where both saw no Lease, the second one's is refused."""
    put(server, OTHER)
    server.faults["GET"] = [status(404)]
    with pytest.raises(ApiError, match="409"):
        await lease.take({}, known=False)


async def test_a_release_after_a_remark_is_done_again(server: FakeApiServer, lease: ElectionLease) -> None:
    """A conflict does not keep the Lease from the next leader."""
    await lease.take({}, known=False)
    await lease.remark({"pulltrace.io/watched": "1"})
    await lease.release()

    assert server.get("leases", "ns", "election")["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize("answer", [b"{}", b"[]", b"null", b'{"metadata": 1}'])
async def test_strange_answers_are_unreachable(server: FakeApiServer, lease: ElectionLease, answer: bytes) -> None:
    """JSON that is no Lease, and what is no JSON, are our own error."""
    server.faults["GET"] = [lines(answer), html()]
    with pytest.raises(ApiUnreachable, match="not a Lease"):
        await lease.look()
    with pytest.raises(ApiError, match="502"):
        await lease.look()
