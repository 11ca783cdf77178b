"""The election on a real API server: how long the work has no leader, and that it never has two."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pulltrace.kube.client.aiohttp_client import AiohttpClient, connect
from pulltrace.kube.election.leader_elector import LeaderElector
from pulltrace.kube.election.lease_lock import LeaseLock
from pulltrace.kube.errors import ApiError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import Process
from tests.conformance.servers import Server

NAME = "pulltrace-aggregator"
real = pytest.mark.real("etcd")


LEADER = """
import asyncio, logging, sys
from pulltrace.kube.client.aiohttp_client import connect
from pulltrace.kube.election.leader_elector import LeaderElector

logging.basicConfig()

async def main():
    async with await connect(sys.argv[1]) as connection:
        elector = LeaderElector(connection, "election", sys.argv[2], "a")
        async def work():
            elector.publish({"pulltrace.io/by": "a process"})
            print("leads", flush=True)
            while True:
                if elector.leading:
                    print("step", flush=True)
                await asyncio.sleep(0.1)
        await elector.run(work)

asyncio.run(main())
"""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


class Replica:
    """An elector, and the time since which its work runs."""

    def __init__(self, connection: AiohttpClient, identity: str) -> None:
        self.elector = LeaderElector(connection, "election", NAME, identity)
        self.working = asyncio.Event()
        self.ended = asyncio.Event()
        self.running = asyncio.create_task(self.elector.run(self._work))

    async def _work(self) -> None:
        self.working.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()

    async def stop(self) -> None:
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.running


@asynccontextmanager
async def replicas(control_plane: ControlPlane) -> AsyncIterator[tuple[Replica, Replica]]:
    """A leader, and a follower that knows it."""
    control_plane.create_service_account("election", "default")
    kubeconfig = str(control_plane.kubeconfig)
    async with await connect(kubeconfig) as first, await connect(kubeconfig) as second:
        leader = Replica(first, "a")
        async with asyncio.timeout(20):
            await leader.working.wait()
        leader.elector.publish({"pulltrace.io/by": "a"})
        follower = Replica(second, "b")
        try:
            await until(lambda: follower.elector.annotations.get("pulltrace.io/by") == "a")
            yield leader, follower
        finally:
            await leader.stop()
            await follower.stop()


@real
async def test_a_leader_that_is_gone_is_replaced(control_plane: ControlPlane, tmp_path: Path) -> None:
    """A killed process releases nothing: another leads within 17 s."""
    control_plane.create_service_account("election", "default")
    process = Process([sys.executable, "-c", LEADER, str(control_plane.kubeconfig), NAME], tmp_path / "leader.log")
    async with await connect(str(control_plane.kubeconfig)) as connection:
        with process:
            await until(lambda: "leads" in process.tail())
            follower = Replica(connection, "b")
            await until(lambda: follower.elector.annotations.get("pulltrace.io/by") == "a process")
            process.kill()
            gone = time.monotonic()
            async with asyncio.timeout(30):
                await follower.working.wait()
            took = time.monotonic() - gone
            await follower.stop()
    print(f"gone without a release: another leads after {took:.1f} s")

    assert took <= 17


@real
async def test_a_leader_that_was_frozen_is_replaced_and_does_not_go_on(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """A suspended process finds after its resumption that it does not lead, before its next step."""
    control_plane.create_service_account("election", "default")
    log = tmp_path / "leader.log"
    process = Process([sys.executable, "-c", LEADER, str(control_plane.kubeconfig), NAME], log)
    async with await connect(str(control_plane.kubeconfig)) as connection:
        with process:
            await until(lambda: "step" in process.tail())
            follower = Replica(connection, "b")
            await until(lambda: follower.elector.annotations.get("pulltrace.io/by") == "a process")
            process.signal(signal.SIGSTOP)
            frozen, steps = time.monotonic(), log.read_text().count("step")
            async with asyncio.timeout(30):
                await follower.working.wait()
            took = time.monotonic() - frozen
            process.signal(signal.SIGCONT)
            await until(lambda: "no longer leads" in process.tail())
            after = log.read_text().count("step")
            assert follower.elector.leading
            await follower.stop()
    print(f"frozen without a release: another leads after {took:.1f} s")

    assert took <= 17
    assert after <= steps + 1  # it may have been stopped between the question and the step


@real
async def test_a_released_lease_is_acquired(control_plane: ControlPlane) -> None:
    """A leader that is stopped is replaced within 3 s; its empty holder is accepted."""
    async with replicas(control_plane) as (leader, follower):
        stopped = time.monotonic()
        await leader.stop()
        async with asyncio.timeout(10):
            await follower.working.wait()
        took = time.monotonic() - stopped
    print(f"released: another leads after {took:.1f} s")

    assert leader.ended.is_set()
    assert took <= 3


@real
async def test_a_frozen_api_server_ends_the_leaders_work(control_plane: ControlPlane) -> None:
    """The work ends within the renew deadline, no other replica begins meanwhile, and then one leads again."""
    async with replicas(control_plane) as (leader, follower):
        control_plane.apiserver.signal(signal.SIGSTOP)
        try:
            frozen = time.monotonic()
            async with asyncio.timeout(20):
                await leader.ended.wait()
            took = time.monotonic() - frozen
            assert not follower.working.is_set()
        finally:
            control_plane.apiserver.signal(signal.SIGCONT)
        leader.working.clear()
        async with asyncio.timeout(40):
            again = [asyncio.create_task(replica.working.wait()) for replica in (leader, follower)]
            await asyncio.wait(again, return_when=asyncio.FIRST_COMPLETED)
            for task in again:
                task.cancel()
        assert leader.elector.leading != follower.elector.leading
    print(f"frozen: the leader's work ended after {took:.1f} s")

    assert took <= 10.5


async def test_the_second_write_of_one_version_is_a_conflict(server: Server) -> None:
    """Conflicts decide the election, on the fake and the real server."""
    first, second = (
        LeaseLock(server.connection, server.namespace, NAME, identity, 15.0, monotonic=time.monotonic, wall=time.time)
        for identity in ("a", "b")
    )
    await first.acquire({}, held=False)
    await first.release()
    await second.get()
    await first.get()
    await second._hold({})
    with pytest.raises(ApiError, match="409"):
        await first._hold({})

    assert not await first.acquire({}, held=True)
    assert first.holder == "b"
