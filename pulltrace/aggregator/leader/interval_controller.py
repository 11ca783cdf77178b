"""Tells the agents how often to report: the leader publishes the interval on the election's Lease, a follower
remarks there that somebody watches it. What is told is decided in `reporting`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from pulltrace.aggregator.leader.interval_policy import WATCHED_FOR_SECONDS, Audience, Load, Pace, Reporting
from pulltrace.aggregator.state.cluster_state import Cluster
from pulltrace.kube.errors import KubeError
from pulltrace.pulls.report_interval import WATCHED

TICK_SECONDS = 1.0
REMARK_SECONDS = WATCHED_FOR_SECONDS / 3
"""How often a follower that is watched says so; one that is lost changes nothing."""

_log = logging.getLogger(__name__)


class Electing(Protocol):
    """Where replicas agree on one leader (`kube.election.leader_elector.LeaderElector`)."""

    identity: str
    refusals: int

    @property
    def leading(self) -> bool: ...

    @property
    def annotations(self) -> Mapping[str, str]: ...

    def publish(self, annotations: Mapping[str, str]) -> None: ...

    async def annotate(self, annotations: Mapping[str, str]) -> None: ...

    async def run(self, work: Callable[[], Awaitable[None]]) -> None: ...


class Pacing:
    """The pace of all agents, as one replica sees it."""

    def __init__(
        self,
        elector: Electing,
        cluster: Cluster,
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
        self._audience = Audience(monotonic())

    async def run(self, beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()) -> None:
        """Takes part in the election until it is cancelled. `beside`: what else is the leader's work, without end."""

        async def lead() -> None:
            async with asyncio.TaskGroup() as work:
                for each in (self._lead, *beside):
                    work.create_task(each())

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._look_around())
            await self._elector.run(lead)
            raise AssertionError("the leader's work has no end")

    async def _lead(self) -> None:
        reporting, told = Reporting(self._writes_per_second), Pace(0.0, "")
        while True:
            if self._synced():  # a leader that knows no node yet would let them all report every second
                pace = reporting.decide(self._load(), self._monotonic())
                if pace != told:
                    _log.info("agents report every %.1f s: %s", pace.seconds, pace.reason)
                told = pace
                self._elector.publish(pace.annotations)
            await asyncio.sleep(TICK_SECONDS)

    def _load(self) -> Load:
        now = self._monotonic()
        nodes, pulling = self._cluster.busy(now)
        refusals = self._cluster.refusals + self._elector.refusals
        return Load(nodes, pulling, self._audience.anywhere(now), refusals)

    async def _look_around(self) -> None:
        remarked_at = -math.inf
        while True:
            now = self._monotonic()
            self._audience.saw(self._streams(), self._requests(), self._elector.annotations.get(WATCHED), now)
            if not self._elector.leading and self._audience.here(now) and now - remarked_at >= REMARK_SECONDS:
                remarked_at = now
                await self._remark()
            await asyncio.sleep(TICK_SECONDS)

    async def _remark(self) -> None:
        said = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._wall()))
        try:
            await self._elector.annotate({WATCHED: f"{said} {self._elector.identity}"})
        except KubeError as error:
            _log.debug("the leader could not be told that somebody watches here: %s", error)
