"""The demo as it is started: one process that serves the simulated cluster over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp

from pulltrace.demo import run
from pulltrace.demo.cluster import SimulatedCluster
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.watch.watch_events import Deleted, Replaced, Upserted
from pulltrace.settings.flags import DemoSettings
from tests.demo.clusters import ORIGIN

Rows = dict[str, dict[str, Any]]


@asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """Run the demo on a free port; yield its address."""
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    settings = DemoSettings(http_addr="127.0.0.1:0")
    running = asyncio.create_task(run.run(settings, stop, port.set_result))
    try:
        await asyncio.wait({running, port}, return_when=asyncio.FIRST_COMPLETED)
        yield f"http://127.0.0.1:{port.result()}"
    finally:
        stop.set()
        await running


async def rows(session: aiohttp.ClientSession, address: str) -> Rows:
    async with session.get(f"{address}/api/v1/pulls") as answer:
        document = await answer.json()
    return {row["id"]: row for row in document["pulls"]}


def awaited_and_moved(before: Rows, after: Rows) -> bool:
    """Whether a pull for which a pod waits has downloaded something in between."""
    return any(
        after[key]["pods"] and before[key]["downloadedBytes"] < after[key]["downloadedBytes"]
        for key in before.keys() & after.keys()
    )


async def test_the_page_is_alive_at_once() -> None:
    """Soon after the start a pull for which a pod waits moves on, and others have completed and failed."""
    async with demo() as address, aiohttp.ClientSession() as session:
        first = latest = await rows(session, address)
        async with asyncio.timeout(20):
            while not awaited_and_moved(first, latest):
                await asyncio.sleep(0.05)
                latest = await rows(session, address)
                first = first or latest

    assert {"downloading", "completed", "failed"} <= {row["phase"] for row in latest.values()}


async def test_pods_are_watched_as_in_the_contract() -> None:
    """First all pods that wait, then those that come, change and start."""
    cluster, pods = SimulatedCluster(1, ORIGIN), run.PodStore()
    cluster.advance(ORIGIN)
    run.apply_changes(cluster, pods, run.EventStore())
    async with aclosing(pods.watch()) as events:
        listed = await anext(events)
        assert isinstance(listed, Replaced)
        known: dict[str, PodRecord] = {pod.key: pod for pod in listed.items}
        assert known
        cluster.advance(ORIGIN + 30)
        changes = list(cluster.pod_changes())
        for key, record in changes:
            pods.put(key, record) if record is not None else pods.remove(key)
        for key, record in changes:
            event = await anext(events)

            assert event == (Deleted(key) if record is None else Upserted(record))
