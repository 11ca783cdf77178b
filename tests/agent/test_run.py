"""The whole agent in one process: a containerd goes in, a Lease comes out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc
import pytest

from pulltrace.agent.run import run, unreported_since
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.resources.in_memory import MemoryLeaseStore
from pulltrace.kube.resources.leases import LeasePatch, LeaseRecord
from pulltrace.pulls.lease_format.annotations import decode, encode
from pulltrace.pulls.model import NodeReport, Phase, Pull
from pulltrace.settings.flags import AgentSettings
from tests.fakes import containerd
from tests.fakes.containerd import FakeContainerd, image, until

NODE = "node-1"
NAME = "docker.io/library/nginx:1.29"
NGINX = image("docker.io/library/nginx", ("base", 1000), ("top", 3000))


async def lease_report(store: MemoryLeaseStore) -> NodeReport:
    record = await store.get(NODE)
    return decode(record.annotations) if record is not None else NodeReport()


async def wait_for(store: MemoryLeaseStore, fits: Callable[[NodeReport], bool]) -> NodeReport:
    """Return the report in the Lease, as soon as it fits."""

    async def last_report() -> NodeReport | None:
        report = await lease_report(store)
        return report if fits(report) else None

    found: NodeReport = await until(last_report)
    return found


@asynccontextmanager
async def agent(node: FakeContainerd, store: MemoryLeaseStore) -> AsyncIterator[None]:
    """Run an agent while the block runs."""
    settings = AgentSettings(
        node_name=NODE, containerd_socket=str(node.socket), report_interval_seconds=0.1, start_spread_seconds=0.0
    )
    running = asyncio.create_task(run(settings, store, "agent-x"))
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def pulling(store: MemoryLeaseStore) -> AsyncIterator[tuple[FakeContainerd, containerd.FakePull]]:
    """Run an agent on a node; its Lease reports a pull in progress."""
    async with containerd.running() as node, agent(node, store):
        await until(lambda: store.get(NODE))
        pull = node.pull(NGINX).resolve().download(0, 400)
        await wait_for(store, lambda report: any(pull.downloaded_bytes == 400 for pull in report.pulls))
        yield node, pull


async def test_a_pull_is_reported_from_start_to_end() -> None:
    """An idle node, a pull with its bytes, and its end with its name."""
    store = MemoryLeaseStore()
    async with pulling(store) as (_, pull):
        [running] = (await lease_report(store)).pulls
        assert (running.phase, running.total_bytes) == (Phase.DOWNLOADING, 4000)

        pull.complete(NAME)
        report = await wait_for(store, lambda report: bool(report.recent))

    assert report.pulls == ()
    assert [(ended.id, ended.phase, ended.names) for ended in report.recent] == [(running.id, Phase.COMPLETED, (NAME,))]


async def test_an_unavailable_containerd_is_reported_and_its_pulls_go_on() -> None:
    """Meanwhile the Lease names the problem, and a pull is neither completed nor failed."""
    store = MemoryLeaseStore()
    async with pulling(store) as (node, pull):
        node.errors["*"] = grpc.StatusCode.UNAVAILABLE
        report = await wait_for(store, lambda report: report.error is not None)
        assert report.error == "containerd does not answer"
        assert [(each.phase, each.downloaded_bytes) for each in report.pulls] == [(Phase.DOWNLOADING, 400)]
        assert report.recent == ()

        pull.download(0, 900)
        node.errors.clear()
        report = await wait_for(store, lambda report: report.error is None)

    assert [each.downloaded_bytes for each in report.pulls] == [900]


async def test_one_failed_poll_is_only_counted() -> None:
    """An ingest that ends during a call fails it now and then: the Lease counts it and names no problem."""
    store = MemoryLeaseStore()
    async with pulling(store) as (node, pull):
        node.errors["Content/ListStatuses"] = grpc.StatusCode.UNKNOWN
        await until(lambda: _has_failed(node))
        node.errors.clear()
        pull.download(0, 900)
        report = await wait_for(store, lambda report: report.pulls[0].downloaded_bytes == 900)

    assert (report.error, report.recent) == (None, ())
    assert report.failed_polls in (1, 2)


async def _has_failed(node: FakeContainerd) -> bool:
    return node.calls[-1] == "Content/ListStatuses"


async def test_a_containerd_that_restarts_has_ended_its_pulls() -> None:
    """A restart breaks running pulls, although their leases survive; the socket is a new one."""
    store = MemoryLeaseStore()
    async with pulling(store) as (node, _):
        await node.stop()
        await wait_for(store, lambda report: report.error is not None)
        await node.start()
        report = await wait_for(store, lambda report: bool(report.recent))

    assert report.pulls == ()
    assert [each.phase for each in report.recent] == [Phase.FAILED]


async def test_a_restarted_agent_resumes() -> None:
    """The same pull has the same id and start; a pull that ended meanwhile is reported once."""
    store = MemoryLeaseStore()
    async with containerd.running() as node:
        async with agent(node, store):
            await until(lambda: store.get(NODE))
            first, second = node.pull(NGINX, "a").resolve(), node.pull(image("docker.io/library/redis", ("r", 9)), "b")
            second.resolve()
            before = await wait_for(store, lambda report: len(report.pulls) == 2)
        second.complete("docker.io/library/redis:8")
        async with agent(node, store):
            first.download(0, 700)
            after = await wait_for(store, lambda report: bool(report.recent))

    assert [(pull.id, pull.started_at) for pull in after.pulls] == [
        (pull.id, pull.started_at) for pull in before.pulls if "nginx" in pull.repositories[0]
    ]
    assert [pull.names for pull in after.recent] == [("docker.io/library/redis:8",)]


class Refusing(MemoryLeaseStore):
    """A store that refuses writes on demand."""

    refuses = False
    refused = 0

    async def patch(self, name: str, patch: LeasePatch) -> LeaseRecord:
        if self.refuses:
            self.refused += 1
            raise ApiUnreachable("no route")
        return await super().patch(name, patch)

    async def has_refused(self) -> bool:
        return bool(self.refused)


async def test_the_next_agent_reports_what_the_last_could_not_write() -> None:
    """The API server was away during a pull, and then the agent's pod was deleted: the row is not lost."""
    store = Refusing()
    async with containerd.running() as node:
        async with agent(node, store):
            first = node.pull(image("docker.io/library/redis", ("r", 9)), "a").resolve()
            await wait_for(store, lambda report: bool(report.pulls))
            first.complete("docker.io/library/redis:8")
            await wait_for(store, lambda report: bool(report.recent))
            store.refuses = True
            second = node.pull(NGINX, "b").resolve()
            await until(store.has_refused)
            second.complete(NAME)
        store.refuses = False
        async with agent(node, store):
            report = await wait_for(store, lambda report: len(report.recent) > 1)

    assert [pull.names for pull in report.recent] == [(NAME,), ("docker.io/library/redis:8",)]


@pytest.mark.parametrize(
    ("renewed_at", "since"), [(None, 5000), (4900, 4898), (4999, 4997), (9999, 5000), (5, 5000 - 1800)]
)
def test_unreported_pulls_begin_at_the_last_report(renewed_at: float | None, since: float) -> None:
    """Half an hour at most, as long as rows are kept; an impossible time is ignored."""
    assert unreported_since(LeaseRecord(NODE, {}, renewed_at=renewed_at), 5000) == since


def test_without_a_lease_unreported_pulls_begin_at_the_start() -> None:
    """Pulls from before the install are not reported."""
    assert unreported_since(None, 5000) == 5000


class LateStore(MemoryLeaseStore):
    """A store that cannot be read at first."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 1

    async def get(self, name: str) -> LeaseRecord | None:
        if self.failures:
            self.failures -= 1
            raise ApiUnreachable("no route")
        return await super().get(name)

    async def was_asked(self) -> bool:
        return not self.failures


async def test_history_is_not_wiped_while_the_lease_cannot_be_read() -> None:
    """An agent that starts before its API server waits for it: a write would lose the history in the Lease."""
    store, now = LateStore(), time.time()
    ended = Pull(id="0123456789ab", phase=Phase.COMPLETED, started_at=now - 9, progressed_at=now, ended_at=now)
    await store.patch(NODE, LeasePatch(encode(NodeReport(recent=(ended,))), "agent-w", now, 300))
    async with containerd.running() as node, agent(node, store):
        await until(store.was_asked)
        node.pull(NGINX).resolve()
        report = await wait_for(store, lambda report: bool(report.pulls))

    assert [pull.id for pull in report.recent] == [ended.id]


async def test_history_of_an_agent_before_loses_its_credentials() -> None:
    """An agent of an earlier version wrote names with credentials: the next agent rewrites them without."""
    store, now = MemoryLeaseStore(), time.time()
    ended = Pull(
        id="0123456789ab", phase=Phase.COMPLETED, started_at=now - 9, progressed_at=now, ended_at=now,
        names=("https://user:hunter2@registry.test/app:1",),
    )  # fmt: skip
    await store.patch(NODE, LeasePatch(encode(NodeReport(recent=(ended,))), "agent-w", now, 300))
    async with containerd.running() as node, agent(node, store):
        node.pull(NGINX).resolve()
        report = await wait_for(store, lambda report: bool(report.pulls))

    assert [pull.names for pull in report.recent] == [("https://***@registry.test/app:1",)]
