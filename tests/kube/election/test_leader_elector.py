"""The leader, and the times of its leadership. Time is virtual for all replicas, and no test waits.

The requests themselves are in test_election_lease.py; a real API server is in tests/conformance/test_leader_elector.py.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.builders import virtual_time
from tests.builders.virtual_time import now
from tests.fakes.api_server import FakeApiServer
from tests.kube.election.elections import Candidate, leads, lease

LEASE_SECONDS = 15
DEADLINE_SECONDS = 10
RETRY_SECONDS = 2
HOUR = 3600.0


def in_virtual_time(scenario: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is given a server; whatever it leaves running ends with it."""

    async def whole(**arguments: Any) -> None:
        await scenario(FakeApiServer(), **arguments)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def test(**arguments: Any) -> None:
        virtual_time.run(whole(**arguments))

    functools.update_wrapper(test, scenario)
    del test.__wrapped__  # type: ignore[attr-defined] # pytest would ask it for its arguments
    _, *others = inspect.signature(scenario).parameters.values()
    test.__signature__ = inspect.Signature(others)  # type: ignore[attr-defined]
    return test


async def led(api: FakeApiServer) -> tuple[Candidate, Candidate]:
    """A leader in its 20th second, and a follower."""
    leader = Candidate(api, "a")
    await leads(leader)
    follower = Candidate(api, "b")
    await asyncio.sleep(20)
    assert leader.works
    assert not follower.works
    return leader, follower


@in_virtual_time
async def test_the_first_leads_at_once(api: FakeApiServer) -> None:
    """Without a Lease it is created, and the work begins."""
    leader = Candidate(api, "a")

    assert await leads(leader) < 0.1
    assert lease(api)["spec"]["holderIdentity"] == "a"
    assert lease(api)["spec"]["leaseTransitions"] == 0


@in_virtual_time
async def test_one_of_many_leads(api: FakeApiServer) -> None:
    """One of five that start together leads, for as long as it renews."""
    candidates = [Candidate(api, f"replica-{number}") for number in range(5)]
    for _ in range(600):
        await asyncio.sleep(1)
        assert sum(candidate.works for candidate in candidates) == 1

    assert sum(len(candidate.terms) for candidate in candidates) == 1


@in_virtual_time
async def test_a_leader_renews_about_every_two_seconds(api: FakeApiServer) -> None:
    """One write each, and nothing is read; a follower only reads."""
    leader, follower = await led(api)
    leader.line.sent.clear()
    follower.line.sent.clear()
    await asyncio.sleep(100)

    assert set(leader.line.sent) == {"PUT"}
    assert 100 / RETRY_SECONDS <= len(leader.line.sent) <= 100 / 1.4
    assert set(follower.line.sent) == {"GET"}


@in_virtual_time
async def test_after_a_crash_another_leads(api: FakeApiServer) -> None:
    """A leader that vanishes is replaced when its record has not changed for 15 s."""
    leader, follower = await led(api)
    gone = now()
    await leader.die()
    taken = await leads(follower)

    assert LEASE_SECONDS - RETRY_SECONDS <= taken - gone <= LEASE_SECONDS + RETRY_SECONDS
    assert lease(api)["spec"]["leaseTransitions"] == 1


@in_virtual_time
async def test_after_a_release_another_leads_within_3_seconds(api: FakeApiServer) -> None:
    """D4, E4: a leader that is stopped ends its work and releases the Lease."""
    leader, follower = await led(api)
    stopped = now()
    await leader.stop()
    assert (lease(api)["spec"]["holderIdentity"], lease(api)["spec"]["leaseDurationSeconds"]) == ("", 1)

    assert await leads(follower) - stopped <= 3
    assert not leader.works


@in_virtual_time
async def test_a_follower_that_is_stopped_leaves_the_lease_alone(api: FakeApiServer) -> None:
    """Only the holder releases."""
    leader, follower = await led(api)
    follower.line.sent.clear()
    await follower.stop()

    assert set(follower.line.sent) <= {"GET"}
    assert leader.works


@pytest.mark.parametrize("mode", ["refuses", "hangs", "loses", "500", "429", "403"])
@in_virtual_time
async def test_a_leader_without_api_server_stops_in_time(api: FakeApiServer, mode: str) -> None:
    """D1, D2, E1, E2: refused, silent or failing, the work ends 10 s after the last renewal, and never two work."""
    leader, follower = await led(api)
    leader.line.mode = mode
    cut = now()
    while leader.works:
        await asyncio.sleep(0.01)
        assert not follower.works
    assert cut + DEADLINE_SECONDS - RETRY_SECONDS <= now() <= cut + DEADLINE_SECONDS + 0.1

    assert await leads(follower) >= leader.terms[0][1]  # type: ignore[operator]
    assert not leader.running.done()


@in_virtual_time
async def test_a_former_leader_follows_and_may_lead_again(api: FakeApiServer) -> None:
    """D1: after the outage it is a follower, and takes over when the other one is gone."""
    leader, follower = await led(api)
    leader.line.mode = "refuses"
    await leads(follower)
    leader.line.mode = "works"
    await asyncio.sleep(60)
    assert not leader.works

    await follower.stop()

    assert await leads(leader)
    assert len(leader.terms) == 2


@in_virtual_time
async def test_a_short_outage_is_survived(api: FakeApiServer) -> None:
    """Six seconds without a response do not end the leadership: the deadline minus one renewal and one failed attempt."""
    leader, _ = await led(api)
    leader.line.mode = "hangs"
    await asyncio.sleep(DEADLINE_SECONDS - 2 * RETRY_SECONDS)
    leader.line.mode = "works"
    await asyncio.sleep(60)

    assert len(leader.terms) == 1
    assert leader.works


@in_virtual_time
async def test_leading_ends_with_the_deadline_itself(api: FakeApiServer) -> None:
    """`leading` reads the clock: a check before each step of the work is safe even if no task has run."""
    leader, _ = await led(api)
    leader.line.mode = "hangs"
    while leader.elector.leading:
        await asyncio.sleep(0.01)

    assert 20 + DEADLINE_SECONDS - RETRY_SECONDS <= now() <= 20.1 + DEADLINE_SECONDS


@in_virtual_time
async def test_work_that_fails_is_raised_and_another_leads(api: FakeApiServer) -> None:
    """D3, E3: the Lease is released, the error reaches the process, and the next leader is there within 3 s."""
    leader, follower = await led(api)
    leader.error = ValueError("the work has failed")
    failed = now()
    leader.fail.set()
    with pytest.raises(ValueError, match="the work has failed"):
        await leader.running

    assert await leads(follower) - failed <= 3


@in_virtual_time
async def test_work_that_ends_is_the_end(api: FakeApiServer) -> None:
    """Work that is done ends the candidacy, and the Lease is free."""
    leader, follower = await led(api)
    leader.fail.set()
    await leader.running

    assert await leads(follower)


@pytest.mark.parametrize("offset", [HOUR, -HOUR, 600.0])
@in_virtual_time
async def test_clocks_that_differ_change_nothing(api: FakeApiServer, offset: float) -> None:
    """D5: wrong clocks of other machines neither shorten nor extend the lease duration."""
    leader, follower = await led(api)
    follower.clock_offset = offset
    await asyncio.sleep(100)
    assert leader.works
    leader.clock_offset = -offset
    await asyncio.sleep(100)
    assert leader.works
    assert not follower.works
    gone = now()
    await leader.die()

    assert await leads(follower) - gone <= LEASE_SECONDS + RETRY_SECONDS


@pytest.mark.parametrize("seconds", [10**9, -5, None, "15"])
@in_virtual_time
async def test_a_strange_duration_is_not_waited_for(api: FakeApiServer, seconds: object) -> None:
    """A record with a duration of decades expires after 15 s."""
    spec = {"holderIdentity": "x", "leaseDurationSeconds": seconds}
    api.put("leases", {"metadata": {"name": "election", "namespace": "ns"}, "spec": spec})

    assert await leads(Candidate(api, "a")) <= LEASE_SECONDS + RETRY_SECONDS


@in_virtual_time
async def test_a_process_that_starts_again_goes_on(api: FakeApiServer) -> None:
    """A container that was restarted finds its own name in the Lease and need not wait."""
    leader, _ = await led(api)
    await leader.die()
    begin = now()

    assert await leads(Candidate(api, "a")) - begin < 0.1
    assert lease(api)["spec"]["leaseTransitions"] == 0


@in_virtual_time
async def test_a_lease_that_was_deleted_is_made_again(api: FakeApiServer) -> None:
    """Its leader continues if no other replica acquires the expired Lease."""
    leader, follower = await led(api)
    await follower.stop()
    api.remove("leases", "ns", "election")
    await asyncio.sleep(RETRY_SECONDS)

    assert lease(api)["spec"]["holderIdentity"] == "a"
    assert len(leader.terms) == 1


@in_virtual_time
async def test_an_acquired_lease_ends_the_work(api: FakeApiServer) -> None:
    """A leader that reads another holder stops at once."""
    leader, follower = await led(api)
    taken = lease(api)
    api.put("leases", {**taken, "spec": {**taken["spec"], "holderIdentity": "x"}})
    await asyncio.sleep(RETRY_SECONDS)

    assert not leader.works
    assert not follower.works


@in_virtual_time
async def test_a_change_by_others_is_a_conflict_that_is_survived(api: FakeApiServer) -> None:
    """409: annotations of a user or a follower stay and do not end the leadership."""
    leader, follower = await led(api)
    for number in range(10):
        await follower.elector.annotate({"pulltrace.io/watched": str(number)})
        await asyncio.sleep(RETRY_SECONDS)

    assert len(leader.terms) == 1
    assert lease(api)["metadata"]["annotations"] == {"pulltrace.io/watched": "9"}
    assert leader.elector.annotations == {"pulltrace.io/watched": "9"}


@in_virtual_time
async def test_published_annotations_are_written_at_once(api: FakeApiServer) -> None:
    """They are part of each renewal, and only a leader can write them."""
    leader, follower = await led(api)
    leader.elector.publish({"pulltrace.io/report-interval": "1.0s"})
    follower.elector.publish({"pulltrace.io/report-interval": "9.0s"})
    await asyncio.sleep(0.05)
    written = dict(lease(api)["metadata"]["annotations"])
    await asyncio.sleep(60)

    assert written == {"pulltrace.io/report-interval": "1.0s"} == lease(api)["metadata"]["annotations"]


@in_virtual_time
async def test_missing_permissions_are_named_and_retried_once_a_minute(
    api: FakeApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the chart's role no replica leads, and the log has one line."""
    candidate = Candidate(api, "a")
    candidate.line.mode = "403"
    with caplog.at_level(logging.WARNING):
        await asyncio.sleep(600)

    assert 8 <= len(candidate.line.sent) <= 11
    [record] = caplog.records
    missing = "missing permission to get, create and update leases.coordination.k8s.io: 403 on demand"
    assert record.message == f"the Lease election: {missing}; retrying"


@in_virtual_time
async def test_refusals_are_counted(api: FakeApiServer) -> None:
    """The number of 429 responses is known to the interval controller."""
    leader, _ = await led(api)
    leader.line.mode = "429"
    await asyncio.sleep(5)

    assert 2 <= leader.elector.refusals <= 4


@in_virtual_time
async def test_a_process_that_was_frozen_knows_that_it_does_not_lead_any_more(api: FakeApiServer) -> None:
    """D1: a leader that was suspended beyond its deadline stops, and must acquire the Lease again."""
    leader, _ = await led(api)
    leader.frozen_seconds = LEASE_SECONDS
    assert not leader.elector.leading

    taken = lease(api)
    api.put("leases", {**taken, "spec": {**taken["spec"], "holderIdentity": "b"}})
    await asyncio.sleep(RETRY_SECONDS)

    assert not leader.works
    assert not leader.elector.leading
    assert not leader.running.done()


@in_virtual_time
async def test_a_clock_that_jumps_back_and_forth_is_not_noticed(api: FakeApiServer) -> None:
    """D5: a wall clock that is set again every few seconds, at leader and follower, costs no leadership."""
    leader, follower = await led(api)
    for number in range(60):
        leader.clock_offset, follower.clock_offset = (HOUR, -HOUR) if number % 2 else (-HOUR, HOUR)
        await asyncio.sleep(5)
        assert leader.works
        assert not follower.works

    assert len(leader.terms) == 1
