"""When a report is written, and what of it. Time is virtual: an hour's outage takes no time."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest

from pulltrace.agent.lease_writer import LeaseWriter
from pulltrace.agent.write_schedule import (
    COALESCE_SECONDS,
    FIRST_JITTER,
    FIRST_READ_SECONDS,
    IDLE_DURATION_SECONDS,
    JITTER,
    PULLING_DURATION_SECONDS,
    SHORT_INTERVAL_SECONDS,
    allowed_surplus,
)
from pulltrace.kube.errors import ApiError, ApiUnreachable, KubeError
from pulltrace.kube.resources.in_memory import MemoryLeaseStore
from pulltrace.kube.resources.leases import LeasePatch, LeaseRecord
from pulltrace.pulls import report_interval
from pulltrace.pulls.lease_format.annotations import PULL_PREFIX, SUMMARY, decode, encode
from pulltrace.pulls.model import Phase
from pulltrace.pulls.report_interval import IDLE_RENEW_SECONDS
from tests.builders import virtual_time
from tests.builders.pulls import pull, report

INTERVAL = 5.0
NODE = "node-1"


# -- the writer ------------------------------------------------------------------------------------


@dataclass
class Write:
    at: float
    patch: LeasePatch

    @property
    def keys(self) -> set[str]:
        return set(self.patch.annotations)


class Recorded(MemoryLeaseStore):
    """The bus in memory, with what came when, and with failures."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Write] = []
        self.tries: list[float] = []
        self.reads: list[str] = []
        self.error: KubeError | None = None
        self.lose_answers = False

    async def get(self, name: str) -> LeaseRecord | None:
        self.reads.append(name)
        return await super().get(name)

    async def patch(self, name: str, patch: LeasePatch) -> LeaseRecord:
        self.tries.append(virtual_time.now())
        if self.error is not None and not self.lose_answers:
            raise self.error
        self.writes.append(Write(virtual_time.now(), patch))
        record = await super().patch(name, patch)
        if self.error is not None:
            raise self.error
        return record

    @property
    def last(self) -> Write:
        return self.writes[-1]


Scenario = Callable[[Recorded, LeaseWriter], Awaitable[None]]


@asynccontextmanager
async def writing(store: Recorded) -> AsyncIterator[LeaseWriter]:
    writer = LeaseWriter(
        store, NODE, "agent-x", INTERVAL, monotonic=virtual_time.now, wall=lambda: 5000 + virtual_time.now()
    )
    running = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def in_virtual_time(scenario: Scenario) -> Callable[[], None]:
    """A test that is given a store and a writer that runs."""

    async def with_writer() -> None:
        store = Recorded()
        async with writing(store) as writer:
            await scenario(store, writer)

    def test() -> None:
        coroutine: Coroutine[Any, Any, None] = with_writer()
        virtual_time.run(coroutine)

    functools.update_wrapper(test, scenario)
    del test.__wrapped__  # type: ignore[attr-defined] # pytest would ask it for its arguments
    return test


@in_virtual_time
async def test_nothing_is_written_before_the_first_report(store: Recorded, writer: LeaseWriter) -> None:
    """An agent without a report writes nothing."""
    await asyncio.sleep(1000)

    assert store.tries == []


@in_virtual_time
async def test_the_first_report_is_written_at_once(store: Recorded, writer: LeaseWriter) -> None:
    """With the holder, the time, and the duration."""
    writer.offer(report())
    await asyncio.sleep(0.01)

    [write] = store.writes
    assert (write.at, write.patch.holder, write.patch.renewed_at) == (0, "agent-x", 5000)
    assert write.patch.duration_seconds == IDLE_DURATION_SECONDS


@in_virtual_time
async def test_a_node_that_pulls_promises_to_speak_soon(store: Recorded, writer: LeaseWriter) -> None:
    """The duration of the Lease follows the interval."""
    for step in range(20):
        writer.offer(report(pull(downloaded_bytes=step)))
        await asyncio.sleep(1)

    durations = [write.patch.duration_seconds for write in store.writes]
    assert durations[0] == IDLE_DURATION_SECONDS  # it does not know yet how soon
    assert set(durations[1:]) == {PULLING_DURATION_SECONDS}


@in_virtual_time
async def test_phases_that_change_together_are_one_write(store: Recorded, writer: LeaseWriter) -> None:
    """Three pulls that start within a moment cost one write, a moment later."""
    writer.offer(report())
    await asyncio.sleep(0.01)
    for count in (1, 2, 3):
        writer.offer(report(*map(pull, range(count))))
        await asyncio.sleep(0.02)
    await asyncio.sleep(1)

    assert len(store.writes) == 2
    record = await store.get(NODE)
    assert record is not None
    assert len(decode(record.annotations).pulls) == 3
    assert store.last.at <= COALESCE_SECONDS * (1 + JITTER)


@in_virtual_time
async def test_progress_is_written_at_the_interval(store: Recorded, writer: LeaseWriter) -> None:
    """A pull that moves twice a second is written every few seconds, with jitter."""
    for step in range(240):
        writer.offer(report(pull(downloaded_bytes=step)))
        await asyncio.sleep(0.5)
    gaps = [after.at - before.at for before, after in pairwise(store.writes)]

    assert 120 / (INTERVAL * (1 + JITTER)) - 1 <= len(gaps) <= 120 / (INTERVAL * (1 - JITTER))
    assert all(INTERVAL * (1 - JITTER) <= gap <= INTERVAL * (1 + JITTER) ** 2 * 1.1 for gap in gaps)
    assert max(gaps) - min(gaps) > 0.1


@in_virtual_time
async def test_phases_that_change_all_the_time_keep_to_the_interval(store: Recorded, writer: LeaseWriter) -> None:
    """The first changes are written at once; in the long run a node writes no more than the interval allows."""
    for step in range(300):
        writer.offer(report(pull(step)))
        await asyncio.sleep(2)

    assert [round(write.at / 2) for write in store.writes[:3]] == list(range(3))
    assert 600 / INTERVAL * 0.9 <= len(store.writes) <= 600 / INTERVAL * 1.1 + allowed_surplus(INTERVAL)


@in_virtual_time
async def test_only_what_changed_is_sent(store: Recorded, writer: LeaseWriter) -> None:
    """A patch has the pull that progressed and the summary, not the other pull."""
    writer.offer(report(pull(1), pull(2)))
    await asyncio.sleep(1)
    writer.offer(report(pull(1), pull(2, downloaded_bytes=500)))
    await asyncio.sleep(10)

    assert store.writes[1].keys == {PULL_PREFIX + pull(2).id, SUMMARY}


@in_virtual_time
async def test_a_pull_that_ended_is_removed(store: Recorded, writer: LeaseWriter) -> None:
    """The key of an ended pull goes with the same write that brings it into the history."""
    writer.offer(report(pull()))
    await asyncio.sleep(1)
    writer.offer(report(recent=(replace(pull(phase=Phase.COMPLETED), ended_at=1001.0),)))
    await asyncio.sleep(1)

    assert store.last.patch.annotations[PULL_PREFIX + pull().id] is None
    assert len(store.writes) == 2


@in_virtual_time
async def test_a_stalled_pull_is_confirmed(store: Recorded, writer: LeaseWriter) -> None:
    """When nothing changes, the renewal carries no keys."""
    for _ in range(80):
        writer.offer(report(pull()))
        await asyncio.sleep(0.5)

    assert [write.keys for write in store.writes[1:]] == [set()] * (len(store.writes) - 1)
    assert 2 <= len(store.writes) - 1 <= 3


@in_virtual_time
async def test_an_idle_node_renews_rarely_and_never_together(store: Recorded, writer: LeaseWriter) -> None:
    """An idle hour is about thirty renewals, spread by a fifth to either side although reports come each second."""
    for _ in range(3600):
        writer.offer(report())
        await asyncio.sleep(1)
    gaps = [after.at - before.at for before, after in pairwise(store.writes)]

    assert 25 <= len(gaps) <= 38
    assert all(IDLE_RENEW_SECONDS * (1 - JITTER) <= gap <= IDLE_RENEW_SECONDS * (1 + JITTER) for gap in gaps[1:])
    assert max(gaps[1:]) - min(gaps[1:]) > 10


def test_idle_nodes_that_started_together_do_not_renew_together() -> None:
    """Their first renewals are spread over nearly the whole interval."""

    async def first_renewal() -> float:
        store = Recorded()
        async with writing(store) as writer:
            writer.offer(report())
            await asyncio.sleep(IDLE_RENEW_SECONDS * 1.5)
        return store.writes[1].at - store.writes[0].at

    async def scenario() -> None:
        gaps = sorted(await asyncio.gather(*(first_renewal() for _ in range(200))))

        assert IDLE_RENEW_SECONDS * FIRST_JITTER <= gaps[0] < IDLE_RENEW_SECONDS * 0.4
        assert IDLE_RENEW_SECONDS < gaps[-1] <= IDLE_RENEW_SECONDS * (1 + JITTER)

    virtual_time.run(scenario())


@in_virtual_time
async def test_after_an_outage_the_current_state_is_one_write(store: Recorded, writer: LeaseWriter) -> None:
    """An hour without an API server leaves no backlog: what is now is written, once."""
    writer.offer(report())
    await asyncio.sleep(1)
    store.error = ApiUnreachable("no route")
    for step in range(3600):
        writer.offer(report(pull(downloaded_bytes=step % 1000)))
        await asyncio.sleep(1)
    tries = len(store.tries)
    store.error = None
    for _ in range(40):
        writer.offer(report(pull(downloaded_bytes=777)))
        await asyncio.sleep(1)

    assert tries < 3600 / 25
    [_, first, *_] = store.writes
    assert reported_bytes(first) == 777


def reported_bytes(write: Write) -> int:
    [reported] = decode({key: value for key, value in write.patch.annotations.items() if value is not None}).pulls
    return reported.downloaded_bytes


@in_virtual_time
async def test_the_lease_is_read_after_a_lost_answer(store: Recorded, writer: LeaseWriter) -> None:
    """A failed write may have arrived: the next write starts with a read of the Lease."""
    writer.offer(report(pull()))
    store.error, store.lose_answers = ApiUnreachable("connection reset"), True
    await asyncio.sleep(0.5)
    store.error = None
    await asyncio.sleep(40)

    assert store.writes[0].keys > set()
    assert store.writes[1].keys == set()


@in_virtual_time
async def test_an_api_server_that_asks_for_time_gets_it(store: Recorded, writer: LeaseWriter) -> None:
    """Retry-After is obeyed where it is longer than the back-off, and the next write has the number of refusals."""
    writer.offer(report())
    store.error = ApiError(429, "too many requests", retry_after_seconds=60)
    await asyncio.sleep(59)
    assert len(store.tries) == 1

    store.error = None
    await asyncio.sleep(17)

    first, second = store.tries
    assert (first, 60 <= second <= 75) == (0, True)
    record = await store.get(NODE)
    assert record is not None
    assert decode(record.annotations).refused_writes == 1


@in_virtual_time
async def test_a_conflict_is_tried_again_with_the_current_state(store: Recorded, writer: LeaseWriter) -> None:
    """409: what is written next is what is true then."""
    writer.offer(report(pull()))
    store.error = ApiError(409, "the object has been modified")
    await asyncio.sleep(0.5)
    store.error = None
    writer.offer(report(pull(downloaded_bytes=777)))
    await asyncio.sleep(3)

    assert reported_bytes(store.writes[0]) == 777
    assert len(store.writes) == 1


@in_virtual_time
async def test_a_missing_permission_is_asked_for_once_a_minute(store: Recorded, writer: LeaseWriter) -> None:
    """403: an hour without the right to write is 60 tries at most, and then what is true is written."""
    store.error = ApiError(403, "forbidden")
    for _ in range(3600):
        writer.offer(report(pull()))
        await asyncio.sleep(1)
    tries = len(store.tries)
    store.error = None
    await asyncio.sleep(80)

    assert 3600 / 75 - 1 <= tries <= 61
    assert len(store.writes) >= 1


async def published(store: Recorded, interval: str) -> None:
    """The leader's interval; each call renews the election Lease."""
    await MemoryLeaseStore.patch(
        store, report_interval.LEASE, LeasePatch({report_interval.INTERVAL: interval}, "leader", 1.0, 15)
    )


@in_virtual_time
async def test_the_published_interval_holds(store: Recorded, writer: LeaseWriter) -> None:
    """Progress is written at the leader's interval, and the Lease's duration follows it."""
    for step in range(600):
        await published(store, "60.0s")
        writer.offer(report(pull(downloaded_bytes=step)))
        await asyncio.sleep(1)
    gaps = [after.at - before.at for before, after in pairwise(store.writes)]

    assert FIRST_READ_SECONDS <= gaps[0] <= 2 * 60
    assert all(60 * (1 - JITTER) <= gap <= 60 * (1 + JITTER) + 1 for gap in gaps[1:])
    assert store.last.patch.duration_seconds == 160


@in_virtual_time
async def test_a_longer_interval_holds_from_the_write_that_announces_it(store: Recorded, writer: LeaseWriter) -> None:
    """Until then the Lease promises more, and readers must not take the node for dead."""
    for step in range(100):
        await published(store, "5.0s" if step < 10 else "60.0s")
        writer.offer(report(pull(downloaded_bytes=step)))
        await asyncio.sleep(1)

    for before, after in pairwise(store.writes):
        assert (after.at - before.at) * 2 < before.patch.duration_seconds


@in_virtual_time
async def test_who_begins_to_pull_reads_the_interval_a_second_later(store: Recorded, writer: LeaseWriter) -> None:
    """Its start is reported at once; the next write waits for the interval, which depends on how many nodes pull."""
    await published(store, "1.0s")
    writer.offer(report())
    await asyncio.sleep(200)
    store.writes.clear()
    began = virtual_time.now()
    for step in range(20):
        writer.offer(report(*map(pull, range(min(step + 1, 5)))))
        await asyncio.sleep(0.1)
        assert store.reads.count(report_interval.LEASE) == (virtual_time.now() - began > FIRST_READ_SECONDS + 0.01)

    assert [round(write.at - began, 1) for write in store.writes[:2]] == [0, FIRST_READ_SECONDS]


@in_virtual_time
async def test_who_goes_on_after_a_moment_does_not_begin_again(store: Recorded, writer: LeaseWriter) -> None:
    """Images that are pulled one after another keep to one account, and the interval is read every 15 s at most."""
    await published(store, "5.0s")
    for step in range(60):
        writer.offer(report(*[pull(step)] * (step % 2)))
        await asyncio.sleep(1)

    assert 3 <= store.reads.count(report_interval.LEASE) <= 5
    assert len(store.writes) <= 60 / SHORT_INTERVAL_SECONDS + allowed_surplus(SHORT_INTERVAL_SECONDS) + 1


@in_virtual_time
async def test_an_idle_node_never_reads_the_interval(store: Recorded, writer: LeaseWriter) -> None:
    """It has nothing to report, so it asks for nothing."""
    for _ in range(1000):
        writer.offer(report())
        await asyncio.sleep(1)

    assert store.reads == [NODE]


@pytest.mark.parametrize("refused", [False, True], ids=["written", "refused"])
def test_a_lease_that_was_just_read_is_not_read_again(*, refused: bool) -> None:
    """An agent's start costs a read and a write; only a failed write leads to another read."""

    async def scenario() -> None:
        store = Recorded()
        store.error = ApiError(429, "too many requests") if refused else None
        writer = LeaseWriter(store, NODE, "agent-x", INTERVAL, known=encode(report()), monotonic=virtual_time.now)
        running = asyncio.create_task(writer.run())
        writer.offer(report(pull()))
        await asyncio.sleep(0.5)
        store.error = None
        await asyncio.sleep(5)
        running.cancel()

        assert store.reads.count(NODE) == refused
        assert PULL_PREFIX + pull().id in store.writes[0].keys

    virtual_time.run(scenario())


@in_virtual_time
async def test_tries_become_rarer(store: Recorded, writer: LeaseWriter) -> None:
    """A failing API server gets another attempt after about 1, 2, 4 s and so on, and at least every half minute."""
    writer.offer(report())
    store.error = ApiError(503, "unavailable")
    await asyncio.sleep(300)
    gaps = [after - before for before, after in pairwise(store.tries)]

    assert all(before <= after for before, after in pairwise(gaps[:6]))
    assert 0.8 <= gaps[0] <= 1
    assert all(24 <= round(gap, 3) <= 30 for gap in gaps[5:])


@in_virtual_time
async def test_a_restarted_agent_sends_what_differs_from_the_lease(store: Recorded, writer: LeaseWriter) -> None:
    """Values of the agent before are compared, not written again; old keys are removed."""
    await MemoryLeaseStore.patch(store, NODE, LeasePatch(encode(report(pull(1), pull(2))), "agent-w", 1.0, 40))
    writer.offer(report(pull(1)))
    await asyncio.sleep(1)

    assert store.last.keys == {PULL_PREFIX + pull(2).id, SUMMARY}
    assert store.last.patch.annotations[PULL_PREFIX + pull(2).id] is None
