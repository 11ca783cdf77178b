"""Sets the agents' report interval. The leader publishes it on the election's Lease; a follower with clients remarks
there that it is watched. `interval_policy` decides the interval.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from pulltrace.aggregator.leader.interval_policy import (
    CLIENT_SECONDS,
    ClientActivity,
    IntervalPolicy,
    Load,
    ReportInterval,
)
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.kube.election.leader_elector import LeaderElector
from pulltrace.kube.errors import KubeError
from pulltrace.pulls.report_interval import CLIENTS_ELSEWHERE

TICK_SECONDS = 1.0
REMARK_SECONDS = CLIENT_SECONDS / 3
"""Between two remarks of a watched follower; a lost one changes nothing."""

_log = logging.getLogger(__name__)


class IntervalController:
    """One replica's part in setting the report interval."""

    def __init__(
        self,
        elector: LeaderElector,
        cluster: ClusterState,
        writes_per_second: float,
        *,
        streams: Callable[[], int],
        requests: Callable[[], int],
        synced: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._elector = elector
        self._cluster = cluster
        self._writes_per_second = writes_per_second
        self._streams = streams
        self._requests = requests
        self._synced = synced
        self._monotonic = monotonic
        self._wall = wall
        self._activity = ClientActivity(monotonic())

    async def run(self, leader_tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()) -> None:
        """Take part in the election until cancelled. `leader_tasks`: the leader's other work, which never ends."""

        async def lead() -> None:
            async with asyncio.TaskGroup() as work:
                for task in (self._lead, *leader_tasks):
                    work.create_task(task())

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow_clients())
            await self._elector.run(lead)
            raise AssertionError("the leader's work never ends")

    async def _lead(self) -> None:
        policy, last = IntervalPolicy(self._writes_per_second), ReportInterval(0.0, "")
        while True:
            if self._synced():  # without the nodes, the interval would be too short
                interval = policy.decide(self._load(), self._monotonic())
                if interval != last:
                    _log.info("report interval: %.1f s; %s", interval.seconds, interval.reason)
                last = interval
                self._elector.publish(interval.annotations)
            await asyncio.sleep(TICK_SECONDS)

    def _load(self) -> Load:
        now = self._monotonic()
        nodes, pulling = self._cluster.live_nodes(now)
        refusals = self._cluster.refusals + self._elector.refusals
        return Load(nodes, pulling, self._activity.anywhere(now), refusals)

    async def _follow_clients(self) -> None:
        remarked_at = -math.inf
        while True:
            now = self._monotonic()
            self._activity.update(
                self._streams(), self._requests(), self._elector.annotations.get(CLIENTS_ELSEWHERE), now
            )
            if not self._elector.leading and self._activity.here(now) and now - remarked_at >= REMARK_SECONDS:
                remarked_at = now
                await self._remark()
            await asyncio.sleep(TICK_SECONDS)

    async def _remark(self) -> None:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._wall()))
        try:
            await self._elector.annotate({CLIENTS_ELSEWHERE: f"{at} {self._elector.identity}"})
        except KubeError as error:
            _log.debug("the remark that this replica is watched failed: %s", error)
