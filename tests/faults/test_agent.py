"""D10 to D13: agents that start together, agents without an API server, and a containerd that hangs or fails."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import pytest

from pulltrace.agent.lease_writer import LeaseWriter
from pulltrace.agent.run import delay_idle_start, run
from pulltrace.containerd.observation import NodeObservation
from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.resources.in_memory import MemoryLeaseStore
from pulltrace.kube.resources.leases import KubeLeaseStore
from pulltrace.pulls.lease_format.annotations import decode
from pulltrace.pulls.model import NodeReport, Phase
from pulltrace.settings.flags import AgentSettings
from tests.builders.pulls import pull, report
from tests.cluster.containerd import Containerd
from tests.cluster.images import Image
from tests.cluster.proxy import Proxy
from tests.faults.link import Link
from tests.faults.stage import NAMESPACE, Stage
from tests.real.conftest import MB
from tests.real.truth import NODE, Watch, cri_pull

pytestmark = pytest.mark.real("etcd", "openssl", "containerd", "runc")

AGENTS = 120
SPREAD_SECONDS = 6.0


class Idle:
    """A containerd on which nothing is pulled."""

    async def observe(self) -> NodeObservation:
        return NodeObservation(())


def access(stage: Stage, link: Link, node: str = "") -> StaticConfig:
    """Give the agent of a node its way; without a node, the way of one that may write every Lease."""
    authority = str(stage.control_plane.authority.certificate)
    token = stage.control_plane.token(NAMESPACE, "pulltrace-agent" if node else "everybody", node=node)
    return StaticConfig(RestConfig(link.url, f"Bearer {token}", ca_file=authority))


async def test_d10_agents_start_together(stage: Stage) -> None:
    """Their first writes are spread over the whole configured time, and none is refused."""
    # NOTE: 120 agents over 6 s, as 5,000 over 30 s would need the machine for minutes: those are in docs/scale.md.
    stage.control_plane.create_service_account(NAMESPACE, "everybody")
    rule = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"]}
    stage.allow("everybody", [rule])
    with stage.link() as link:
        async with contextlib.AsyncExitStack() as stack:
            source = access(stage, link)
            connections = [await stack.enter_async_context(H11Client(source)) for _ in range(10)]

            async def start(number: int) -> None:
                store = KubeLeaseStore(connections[number % len(connections)], NAMESPACE)
                await delay_idle_start(SPREAD_SECONDS, Idle(), lambda: store.get(f"many-{number}"))
                writer = LeaseWriter(store, f"many-{number}", "agent", None)
                writer.offer(report())
                await writer.write()

            began = time.monotonic()
            await asyncio.gather(*(start(number) for number in range(AGENTS)))
        made = Counter(int(one.at - began) for one in link.requests("POST"))
    print(f"\nLeases made in each second: {[made[second] for second in range(8)]}")

    assert made.total() == AGENTS
    assert max(made.values()) <= 2 * AGENTS / SPREAD_SECONDS
    assert min(made[second] for second in range(int(SPREAD_SECONDS))) > 0


class Hour:
    """An hour in which an agent waits; every second its node has something new to report."""

    def __init__(self, limit_seconds: float, over: Callable[[], None]) -> None:
        self.now = 0.0
        self.tries = 0
        self.memory_bytes: list[int] = []
        """Python's allocated memory, at every twentieth try."""
        self.writer: LeaseWriter | None = None
        self._limit_seconds = limit_seconds
        self._over = over

    async def sleep(self, seconds: float) -> None:
        assert self.writer is not None
        self.tries += 1
        if self.tries % 20 == 0:
            gc.collect()
            self.memory_bytes.append(tracemalloc.get_traced_memory()[0])
        for _ in range(int(seconds)):
            self.now += 1
            self.writer.offer(report(pull(int(self.now) % 3, downloaded_bytes=int(self.now) % 1000)))
        if self.now >= self._limit_seconds:
            self._over()
        await asyncio.sleep(0)


async def test_d11_agent_without_api_server_for_an_hour(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """It tries twice a minute, its memory does not grow, and afterwards it sends one write with the present state."""
    caplog.set_level(logging.CRITICAL)  # pytest keeps every line
    # NOTE: the waits are virtual; connections, refusals, TLS and the API server are real.
    with stage.link() as link:
        async with H11Client(access(stage, link, "node-1")) as connection:
            hour = Hour(3600, link.restore)
            store = KubeLeaseStore(connection, NAMESPACE)
            writer = hour.writer = LeaseWriter(
                store, "node-1", "agent", None, monotonic=lambda: hour.now, sleep=hour.sleep
            )
            writer.offer(report(pull(1)))
            await writer.write()
            link.refuse()
            writer.offer(report(pull(1, downloaded_bytes=5)))
            tracemalloc.start()
            try:
                began = time.monotonic()
                await writer._write_with_retries()
            finally:
                tracemalloc.stop()
    written = decode(stage.leases()["node-1"]["metadata"]["annotations"])
    writes = link.requests("PATCH|POST", began)
    grown = hour.memory_bytes[-1] - hour.memory_bytes[1]
    print(f"\n{hour.tries} tries in an hour; {grown / 1024:.0f} KiB more after two thirds of it; {len(writes)} write")

    assert 100 <= hour.tries <= 3600 / 25
    assert grown < 64 * 1024
    assert len(writes) == 1
    assert [one.downloaded_bytes for one in written.pulls] == [int(hour.now) % 1000]


Waiter: TypeAlias = Callable[[Callable[[NodeReport], object], str], Awaitable[NodeReport]]


@asynccontextmanager
async def agent(containerd: Containerd) -> AsyncIterator[Waiter]:
    """Run the agent's own loop beside a containerd; yields a function that waits for a report in its Lease."""
    store = MemoryLeaseStore()
    settings = AgentSettings(
        node_name=NODE,
        containerd_socket=str(containerd.socket),
        report_interval_seconds=0.2,
        start_spread_seconds=0.0,
    )

    async def reported(condition: Callable[[NodeReport], object], what: str) -> NodeReport:
        async with asyncio.timeout(30):
            while True:
                record = await store.get(NODE)
                found = decode(record.annotations) if record is not None else NodeReport()
                if condition(found):
                    return found
                await asyncio.sleep(0.05)

    running = asyncio.create_task(run(settings, store, "agent"))
    try:
        yield reported
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def test_d12_containerd_hangs(containerd: Containerd, proxy: Proxy, app: Image) -> None:
    """A containerd that is stopped in the middle of a pull: the Lease reports it in seconds, the pull is not done, and
    goes on.
    """
    proxy.set_rate(2 * MB)
    async with agent(containerd) as reported, cri_pull(containerd, app.ref) as pulling:
        before = await reported(lambda report: any(pull.downloaded_bytes > MB for pull in report.pulls), "bytes")
        containerd.freeze()
        began = time.monotonic()
        hung = await reported(lambda report: report.error, "the error")
        took = time.monotonic() - began
        containerd.thaw()
        after = await reported(lambda report: not report.error, "the end of the error")
        proxy.set_rate(None)
        await pulling
        done = await reported(lambda report: report.recent, "the end")
    print(f"\nreported after {took:.1f} s")

    assert took <= 3 * 2 + 2  # three polls, each with a deadline of 2 s
    assert hung.error == "containerd does not answer"
    assert [pull.id for pull in hung.pulls] == [pull.id for pull in before.pulls]
    assert not hung.recent
    assert [pull.id for pull in after.pulls] == [pull.id for pull in before.pulls]
    assert [(pull.id, pull.phase) for pull in done.recent] == [(before.pulls[0].id, Phase.COMPLETED)]


async def test_d13_ingest_that_vanishes_while_it_is_read(containerd: Containerd, proxy: Proxy, app: Image) -> None:
    """containerd cannot read one of its downloads ("startedat"): such polls are counted, the row stays and goes on."""
    # NOTE: containerd's metadata store passes over a missing file, but not over a half written one.
    proxy.set_rate(3 * MB)
    async with (
        Watch(containerd, [app]) as watch,
        agent(containerd) as reported,
        cri_pull(containerd, app.ref) as pulling,
    ):
        before = await watch.wait_for_bytes(MB)
        await reported(lambda report: report.pulls, "the pull")
        proxy.pause()
        ingests = containerd.root / "io.containerd.content.v1.content" / "ingest"
        started = next(ingests.glob("*/startedat"))
        text = started.read_bytes()
        failures, reports = watch.failures, len(watch.reports)
        started.write_bytes(text[:9])
        async with asyncio.timeout(20):
            while watch.failures < failures + 3:
                await asyncio.sleep(0.05)
        kept = watch.report
        in_a_row = await reported(lambda report: report.error, "three failed polls in a row")
        started.write_bytes(text)
        after = await reported(lambda report: not report.error, "a successful poll")
        proxy.set_rate(None)
        await pulling
        [ended] = await watch.wait_for_ends(1)
    print(f"\n{watch.failures} polls failed, beside {len(watch.reports) - reports} that did not")

    assert [pull.id for pull in kept.pulls] == [pull.id for pull in before.pulls]
    assert not kept.recent
    assert in_a_row.failed_polls == 3
    assert after.failed_polls >= 3
    assert [pull.id for pull in after.pulls] == [pull.id for pull in before.pulls]
    assert (ended.id, ended.phase) == (before.pulls[0].id, Phase.COMPLETED)
