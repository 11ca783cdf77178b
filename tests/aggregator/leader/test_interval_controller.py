"""The leader publishes the report interval, and learns of clients of other replicas. Time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import pytest

from pulltrace.aggregator.leader.interval_controller import REMARK_SECONDS, IntervalController
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.election.leader_elector import LeaderElector
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.watch.watch_events import Replaced, Upserted
from pulltrace.pulls.report_interval import CLIENTS_ELSEWHERE, INTERVAL, REASON
from tests.builders import virtual_time
from tests.builders.leases import LeaseWriter
from tests.builders.pulls import pull
from tests.fakes.api_server import FakeApiServer
from tests.kube.election.elections import NAME, Line, lease

Elected = Callable[[], Awaitable[None]]


class FakeElector(LeaderElector):
    """An election whose outcome the test decides."""

    leading = False
    annotations: Mapping[str, str] = {}

    def __init__(self, *, leading: bool) -> None:
        self.identity = "a"
        self.refusals = 0
        self.leading = leading
        self.annotations = {}
        self.published: list[Mapping[str, str]] = []
        self.remarks: list[Mapping[str, str]] = []
        self.error: ApiUnreachable | None = None

    def publish(self, annotations: Mapping[str, str]) -> None:
        if [annotations] != self.published[-1:]:
            self.published.append(annotations)

    async def annotate(self, annotations: Mapping[str, str]) -> None:
        self.remarks.append(annotations)
        if self.error is not None:
            raise self.error

    async def run(self, work: Elected) -> None:
        await (work() if self.leading else asyncio.Event().wait())


class Replica:
    """A replica's cluster, its viewers, and its part in the election."""

    def __init__(
        self,
        election: LeaderElector | None = None,
        *,
        leading: bool = True,
        beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        self.elector = FakeElector(leading=leading)
        self.cluster = ClusterState(PullStore(), 600)
        self.streams = self.requests = 0
        self.synced = True
        self.controller = IntervalController(
            election or self.elector,
            self.cluster,
            100,
            streams=lambda: self.streams,
            requests=lambda: self.requests,
            synced=lambda: self.synced,
            monotonic=virtual_time.now,
            wall=lambda: 1_700_000_000 + virtual_time.now(),
        )
        self.running = asyncio.create_task(self.controller.run(beside))

    @property
    def intervals(self) -> list[str]:
        return [annotations[INTERVAL] for annotations in self.elector.published]

    def pull_on(self, nodes: int) -> None:
        leases = tuple(LeaseWriter().lease(pull(number), node=f"node-{number}") for number in range(nodes))
        self.cluster.lease_event(Replaced(leases), virtual_time.now())

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)


def test_the_leader_publishes_what_the_load_calls_for() -> None:
    """Live at first, slower after a minute without a client, live again for the next one."""

    async def scenario() -> None:
        replica = Replica()
        await asyncio.sleep(59)
        assert replica.intervals == ["1.0s"]
        await asyncio.sleep(10)
        assert replica.intervals == ["1.0s", "5.0s"]
        assert replica.elector.published[-1][REASON] == "no client; 0 of 0 nodes pull"
        replica.requests += 1
        await asyncio.sleep(2)
        assert replica.intervals == ["1.0s", "5.0s", "1.0s"]
        replica.pull_on(300)
        await asyncio.sleep(2)
        assert replica.intervals[3:] == ["3.1s"]
        await replica.end()

    virtual_time.run(scenario())


def test_a_leader_that_knows_no_node_yet_publishes_nothing() -> None:
    """The last leader's interval holds until the Leases have been listed."""

    async def scenario() -> None:
        replica = Replica()
        replica.synced = False
        await asyncio.sleep(30)
        assert replica.intervals == []
        replica.synced = True
        await asyncio.sleep(1)
        assert replica.intervals == ["1.0s"]
        await replica.end()

    virtual_time.run(scenario())


def test_a_follower_publishes_nothing_and_tells_of_its_viewers() -> None:
    """As long as a client watches there; a lost remark changes nothing."""

    async def scenario() -> None:
        replica = Replica(leading=False)
        await asyncio.sleep(300)
        assert replica.elector.remarks == []
        replica.streams = 1
        replica.elector.error = ApiUnreachable("no route")
        await asyncio.sleep(2 * REMARK_SECONDS + 1.5)
        assert [remark[CLIENTS_ELSEWHERE] for remark in replica.elector.remarks[:2]] == [
            "2023-11-14T22:18:20Z a",
            "2023-11-14T22:18:40Z a",
        ]
        assert len(replica.elector.remarks) == 3
        assert replica.intervals == []
        await replica.end()

    virtual_time.run(scenario())


def test_the_leader_counts_viewers_elsewhere() -> None:
    """A follower's remark makes it live within seconds."""

    async def scenario() -> None:
        replica = Replica()
        await asyncio.sleep(90)
        assert replica.intervals[-1] == "5.0s"
        replica.elector.annotations = {CLIENTS_ELSEWHERE: "now b"}
        await asyncio.sleep(2)
        assert replica.intervals[-1] == "1.0s"
        await replica.end()

    virtual_time.run(scenario())


@pytest.mark.parametrize("where", ["agents", "aggregator"])
def test_refused_writes_slow_everybody_down(where: str) -> None:
    """429s that the agents report, and the 429s that the aggregator gets itself."""

    async def scenario() -> None:
        replica, writer = Replica(), LeaseWriter()
        replica.streams = 1
        replica.cluster.lease_event(Upserted(writer.lease(pull())), virtual_time.now())
        await asyncio.sleep(5)
        if where == "agents":
            replica.cluster.lease_event(Upserted(writer.lease(pull(), refused=2)), virtual_time.now())
        else:
            replica.elector.refusals += 1
        await asyncio.sleep(2)
        assert replica.intervals == ["1.0s", "2.0s"]
        assert replica.elector.published[-1][REASON] == "the API server refused writes (429); 1 of 1 nodes pull"
        await replica.end()

    virtual_time.run(scenario())


def test_two_replicas_and_a_real_election() -> None:
    """The interval is on the Lease, and a viewer of the follower reaches the leader through it."""

    async def scenario() -> None:
        server, timing = FakeApiServer(), Timing(monotonic=virtual_time.now)
        replicas = []
        for identity in ("a", "b"):
            replicas.append(Replica(LeaderElector(Line(server), "ns", NAME, identity, timing=timing)))
            await asyncio.sleep(1)
        await asyncio.sleep(90)
        assert lease(server)["metadata"]["annotations"][INTERVAL] == "5.0s"
        replicas[1].streams = 1
        await asyncio.sleep(5)
        assert lease(server)["metadata"]["annotations"][INTERVAL] == "1.0s"
        assert lease(server)["metadata"]["annotations"][CLIENTS_ELSEWHERE].endswith(" b")
        assert lease(server)["spec"]["holderIdentity"] == "a"
        for replica in replicas:
            await replica.end()

    virtual_time.run(scenario())


def test_a_leader_whose_work_fails_ends_the_process() -> None:
    """D3: the error comes out, after the Lease was released for the next one."""

    async def scenario() -> None:
        server, timing = FakeApiServer(), Timing(monotonic=virtual_time.now)
        replica = Replica(LeaderElector(Line(server), "ns", NAME, "a", timing=timing))
        await asyncio.sleep(5)
        replica.cluster.live_nodes = broken  # type: ignore[method-assign]
        with pytest.raises(ExceptionGroup) as group:
            await replica.running
        assert group.group_contains(ZeroDivisionError)
        assert lease(server)["spec"]["holderIdentity"] == ""

    def broken(now: float) -> tuple[int, int]:
        raise ZeroDivisionError

    virtual_time.run(scenario())


def test_what_else_the_leader_does_is_done_by_the_leader_only() -> None:
    """It runs at the leading replica, ends when that is stopped, and goes on at the other."""

    async def scenario() -> None:
        server, timing = FakeApiServer(), Timing(monotonic=virtual_time.now)
        terms: dict[str, list[float]] = {"a": [], "b": []}
        replicas = []
        for identity, term in terms.items():

            async def work(term: list[float] = term) -> None:
                term.append(virtual_time.now())
                try:
                    await asyncio.Event().wait()
                finally:
                    term.append(virtual_time.now())

            replicas.append(Replica(LeaderElector(Line(server), "ns", NAME, identity, timing=timing), beside=[work]))
            await asyncio.sleep(30)
        await replicas[0].end()
        await asyncio.sleep(10)
        await replicas[1].end()
        [_, ended_at], [began_at, _] = terms["a"], terms["b"]
        assert ended_at <= began_at <= ended_at + 3

    virtual_time.run(scenario())
