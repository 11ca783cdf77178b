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

from pulltrace.agent.lease_writer import (
    COALESCE_SECONDS,
    FIRST_STRETCH,
    IDLE_DURATION_SECONDS,
    JITTER,
    PHASES_AHEAD,
    PULLING_DURATION_SECONDS,
    PULLING_RENEW_SECONDS,
    LeaseWriter,
    Written,
    changed,
    due_in,
    duration_seconds,
    phases,
)
from pulltrace.kube.errors import ApiError, ApiUnreachable, KubeError
from pulltrace.kube.leases import LeasePatch, LeaseRecord
from pulltrace.kube.memory import MemoryLeaseStore
from pulltrace.pulls import pace
from pulltrace.pulls.annotations import PULL_PREFIX, SUMMARY, decode, encode
from pulltrace.pulls.model import NodeReport, Phase, Pull
from pulltrace.pulls.pace import IDLE_RENEW_SECONDS
from tests.agent import virtual_time

INTERVAL = 5.0
NODE = "node-1"


def pull(number: int = 1, phase: Phase = Phase.DOWNLOADING, downloaded_bytes: int = 0) -> Pull:
    return Pull(
        id=f"{number:012x}",
        phase=phase,
        started_at=1000.0,
        progressed_at=1000.0,
        total_bytes=1000,
        downloaded_bytes=downloaded_bytes,
    )


def report(*pulls: Pull, recent: tuple[Pull, ...] = ()) -> NodeReport:
    return NodeReport(pulls=pulls, recent=recent)


def written(told: NodeReport, at: float = 100.0, stretch: float = 1.0) -> Written:
    return Written(encode(told), phases(told), at, stretch)


def due(before: NodeReport | None, after: NodeReport, now: float, stretch: float = 1.0) -> float:
    return due_in(written(before, stretch=stretch) if before else None, after, encode(after), INTERVAL, now)


# -- when a write is due ---------------------------------------------------------------------------


def test_the_first_report_is_due_at_once() -> None:
    """A Lease that was never written is written now."""
    assert due(None, report(), 100) == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (report(), report(pull())),
        (report(pull()), report(pull(phase=Phase.UNPACKING))),
        (report(pull()), report(recent=(replace(pull(phase=Phase.FAILED), ended_at=1001.0),))),
    ],
    ids=["started", "unpacking", "ended"],
)
def test_a_change_of_phase_is_due_nearly_at_once(before: NodeReport, after: NodeReport) -> None:
    """People see a start, a phase and an end when they happen; those that happen together are one write."""
    assert due(before, after, 100) == pytest.approx(COALESCE_SECONDS)
    assert due(before, after, 101) == 0


def test_phases_wait_for_the_interval_when_too_many_have_changed() -> None:
    """Some are told at once; a node that has written much sooner than it should waits, but never longer than for progress."""
    before, after = report(pull()), report(pull(phase=Phase.UNPACKING))

    def wait(owed: float) -> float:
        return due_in(replace(written(before), owed=owed), after, encode(after), INTERVAL, 100)

    assert wait(INTERVAL) == wait(INTERVAL * PHASES_AHEAD) == pytest.approx(COALESCE_SECONDS)
    assert wait(INTERVAL * (PHASES_AHEAD + 0.5)) == pytest.approx(INTERVAL / 2)
    assert wait(INTERVAL * 100) == INTERVAL


def test_progress_is_due_at_the_report_interval() -> None:
    """Bytes alone wait for their turn."""
    after = report(pull(downloaded_bytes=500))

    assert due(report(pull()), after, 101) == INTERVAL - 1
    assert due(report(pull()), after, 200) == 0


@pytest.mark.parametrize(("told", "seconds"), [(report(pull()), PULLING_RENEW_SECONDS), (report(), IDLE_RENEW_SECONDS)])
def test_nothing_new_is_due_when_the_lease_must_be_renewed(told: NodeReport, seconds: float) -> None:
    """A node that pulls confirms it often, an idle one rarely."""
    assert due(told, told, 100) == seconds


def test_a_lease_is_renewed_long_before_it_expires() -> None:
    """Also the longest wait, and one try that fails, leave the Lease alive."""
    assert PULLING_RENEW_SECONDS * (1 + JITTER) * 2 < PULLING_DURATION_SECONDS
    assert IDLE_RENEW_SECONDS * (1 + JITTER) * 2 < IDLE_DURATION_SECONDS
    for interval in (1.0, 15.0, 15.1, 86.0, 300.0):
        longest = max(PULLING_RENEW_SECONDS, interval) * (1 + JITTER)
        assert longest * 2 < duration_seconds(report(pull()), interval)


def test_a_long_interval_holds_for_renewals_too() -> None:
    """Where the budget allows a report every 86 s, a pull that does not move is not confirmed every 15 s."""
    told = report(pull())

    assert due_in(written(told), told, encode(told), 86.0, 100) == 86


def test_intervals_are_stretched_by_what_the_write_drew() -> None:
    """Each write decides how long the next one waits, so nodes drift apart."""
    assert due(report(), report(), 100, stretch=1.2) == pytest.approx(144)
    assert due(report(pull()), report(pull(downloaded_bytes=5)), 100, stretch=0.8) == pytest.approx(4)


def test_a_patch_holds_what_changed() -> None:
    """New and changed keys with their values, removed ones as None, and nothing else."""
    assert changed({"same": "1", "other": "1", "gone": "1"}, {"same": "1", "other": "2", "new": "3"}) == {
        "other": "2",
        "gone": None,
        "new": "3",
    }


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
    """An agent that has seen nothing says nothing."""
    await asyncio.sleep(1000)

    assert store.tries == []


@in_virtual_time
async def test_the_first_report_is_written_at_once(store: Recorded, writer: LeaseWriter) -> None:
    """With who wrote it, when, and how long it holds."""
    writer.offer(report())
    await asyncio.sleep(0.01)

    [write] = store.writes
    assert (write.at, write.patch.holder, write.patch.renewed_at) == (0, "agent-x", 5000)
    assert write.patch.duration_seconds == IDLE_DURATION_SECONDS


@in_virtual_time
async def test_a_node_that_pulls_promises_to_speak_soon(store: Recorded, writer: LeaseWriter) -> None:
    """The Lease says which pace holds."""
    writer.offer(report(pull()))
    await asyncio.sleep(0.01)

    assert store.last.patch.duration_seconds == PULLING_DURATION_SECONDS


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
    assert all(INTERVAL * (1 - JITTER) <= gap <= INTERVAL * (1 + JITTER) for gap in gaps)
    assert max(gaps) - min(gaps) > 0.1


@in_virtual_time
async def test_phases_that_change_all_the_time_keep_to_the_interval(store: Recorded, writer: LeaseWriter) -> None:
    """The first changes are written at once; in the long run a node writes no more than the interval allows."""
    for step in range(300):
        writer.offer(report(pull(step)))
        await asyncio.sleep(2)

    assert [round(write.at / 2) for write in store.writes[:PHASES_AHEAD]] == list(range(PHASES_AHEAD))
    assert 600 / INTERVAL * 0.9 <= len(store.writes) <= 600 / INTERVAL * 1.1 + PHASES_AHEAD


@in_virtual_time
async def test_only_what_changed_is_sent(store: Recorded, writer: LeaseWriter) -> None:
    """Of two pulls, the one that moved, and the summary that says so."""
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
async def test_a_pull_that_stands_still_is_confirmed(store: Recorded, writer: LeaseWriter) -> None:
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

        assert IDLE_RENEW_SECONDS * FIRST_STRETCH <= gaps[0] < IDLE_RENEW_SECONDS * 0.4
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
    assert told_bytes(first) == 777


def told_bytes(write: Write) -> int:
    [told] = decode({key: value for key, value in write.patch.annotations.items() if value is not None}).pulls
    return told.downloaded_bytes


@in_virtual_time
async def test_a_write_whose_answer_was_lost_is_looked_at(store: Recorded, writer: LeaseWriter) -> None:
    """After a failure nobody knows what arrived: the next write begins with what is there."""
    writer.offer(report(pull()))
    store.error, store.lose_answers = ApiUnreachable("connection reset"), True
    await asyncio.sleep(0.5)
    store.error = None
    await asyncio.sleep(40)

    assert store.writes[0].keys > set()
    assert store.writes[1].keys == set()


@in_virtual_time
async def test_an_api_server_that_asks_for_time_gets_it(store: Recorded, writer: LeaseWriter) -> None:
    """Retry-After is obeyed where it is longer than our own patience, and the next write says how often it came."""
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

    assert told_bytes(store.writes[0]) == 777
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
    """What the leader of the aggregators says; its Lease is renewed as long as somebody calls this."""
    await MemoryLeaseStore.patch(store, pace.LEASE, LeasePatch({pace.INTERVAL: interval}, "leader", 1.0, 15))


@in_virtual_time
async def test_the_published_interval_holds(store: Recorded, writer: LeaseWriter) -> None:
    """Progress is written as often as the leader says, and the Lease holds for as long as that takes."""
    for step in range(600):
        await published(store, "60.0s")
        writer.offer(report(pull(downloaded_bytes=step)))
        await asyncio.sleep(1)
    gaps = [after.at - before.at for before, after in pairwise(store.writes)]

    # The first Lease was written for 5 s: the longer interval holds from the write on that says so.
    assert gaps[0] <= PULLING_RENEW_SECONDS * (1 + JITTER)
    assert all(60 * (1 - JITTER) <= gap <= 60 * (1 + JITTER) + 1 for gap in gaps[1:])
    assert store.last.patch.duration_seconds == 160


@in_virtual_time
async def test_an_idle_node_never_reads_the_interval(store: Recorded, writer: LeaseWriter) -> None:
    """It has nothing to report, so it asks for nothing."""
    for _ in range(1000):
        writer.offer(report())
        await asyncio.sleep(1)

    assert store.reads == [NODE]


@pytest.mark.parametrize("refused", [False, True], ids=["written", "refused"])
def test_a_lease_that_was_just_read_is_not_read_again(*, refused: bool) -> None:
    """An agent's start costs a read and a write; only after a write that failed it looks again."""

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
    """A failing API server is asked after 1, 2, 4 s and so on, and at least every half minute."""
    writer.offer(report())
    store.error = ApiError(503, "unavailable")
    await asyncio.sleep(300)
    gaps = [after - before for before, after in pairwise(store.tries)]

    assert all(before <= after + 1 for before, after in pairwise(gaps))
    assert gaps[0] <= 2
    assert 29 <= round(gaps[-1], 3) <= 30


@in_virtual_time
async def test_a_restarted_agent_sends_what_differs_from_the_lease(store: Recorded, writer: LeaseWriter) -> None:
    """What a former agent left is compared, not written again; what is over is removed."""
    await MemoryLeaseStore.patch(store, NODE, LeasePatch(encode(report(pull(1), pull(2))), "agent-w", 1.0, 40))
    writer.offer(report(pull(1)))
    await asyncio.sleep(1)

    assert store.last.keys == {PULL_PREFIX + pull(2).id, SUMMARY}
    assert store.last.patch.annotations[PULL_PREFIX + pull(2).id] is None
