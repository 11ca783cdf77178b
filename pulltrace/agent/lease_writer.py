"""Writes the node's report to its Lease: at once when a pull's phase changes, else at the report interval (`interval`).
A node whose phases change too often for that interval has to wait for it.

Only keys that changed are sent, and nothing when nothing changed; an idle node renews so rarely that
thousands of them go unnoticed. While the API server does not answer, reports replace each other and
the next write carries the current one.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import tenacity

from pulltrace.agent.interval import ReportInterval
from pulltrace.agent.retrying import describe, retry_wait
from pulltrace.kube.errors import ApiError, KubeError
from pulltrace.kube.leases import LeasePatch, LeaseWriting
from pulltrace.pulls.annotations import encode
from pulltrace.pulls.model import NodeReport, Phase
from pulltrace.pulls.pace import IDLE_RENEW_SECONDS

logger = logging.getLogger(__name__)

IDLE_DURATION_SECONDS = 300
PULLING_RENEW_SECONDS = 15.0
"""How often a pull that does not move is confirmed, unless even progress is reported less often."""
PULLING_DURATION_SECONDS = 40
DURATION_INTERVALS = 8 / 3
"""A Lease outlives two of the longest intervals: one write may fail."""
COALESCE_SECONDS = 0.2
"""Phases that change together are one write."""
PHASES_AHEAD = 3
"""So many writes may come sooner than the interval allows, as pulls begin and end; then phases wait for it too.
Else a node whose phases keep changing would write several times as much as the interval says."""
JITTER = 0.2
"""Intervals vary by this part, so that nodes that began together do not write together."""
FIRST_STRETCH = 0.2
"""The least part of an idle node's interval after its first write: thousands of nodes that started within half a
minute would otherwise renew within one too, two minutes later."""


@dataclass(frozen=True, slots=True)
class Written:
    """What the Lease holds, as far as this agent knows."""

    annotations: Mapping[str, str]
    phases: Mapping[str, Phase]
    """Of the running pulls in it."""
    at: float
    """On the monotonic clock."""
    stretch: float = 1.0
    """What the intervals until the next write are multiplied by."""
    interval: float = 0.0
    """The report interval that the Lease was written for."""
    owed: float = 0.0
    """Seconds without a write that the writes up to then call for: the interval of each, less the time since."""


def due_in(
    written: Written | None, report: NodeReport, wanted: Mapping[str, str], interval: float, now: float
) -> float:
    """Seconds until `wanted` should be written, on a clock where `written.at` and `now` are times."""
    if written is None:
        return 0.0
    if written.phases != phases(report):
        pause = max(COALESCE_SECONDS, written.stretch * min(written.owed - PHASES_AHEAD * interval, interval))
    elif changed(written.annotations, wanted):
        pause = written.stretch * interval
    else:
        renewal = max(PULLING_RENEW_SECONDS, interval) if report.pulls else IDLE_RENEW_SECONDS
        pause = written.stretch * renewal
    return max(0.0, written.at + pause - now)


def duration_seconds(report: NodeReport, interval: float) -> int:
    """How long a Lease with `report` holds: which pace its readers may expect."""
    return (
        max(PULLING_DURATION_SECONDS, math.ceil(interval * DURATION_INTERVALS))
        if report.pulls
        else IDLE_DURATION_SECONDS
    )


def changed(written: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """The keys to send so that `written` becomes `wanted`; None removes one."""
    patch: dict[str, str | None] = {key: None for key in written if key not in wanted}
    patch.update((key, value) for key, value in wanted.items() if written.get(key) != value)
    return patch


def phases(report: NodeReport) -> dict[str, Phase]:
    return {pull.id: pull.phase for pull in report.pulls}


class LeaseWriter:
    """Takes reports as they come and writes the newest when one is due."""

    def __init__(
        self,
        store: LeaseWriting,
        node_name: str,
        holder: str,
        report_interval_seconds: float | None,
        *,
        known: Mapping[str, str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._node_name = node_name
        self._holder = holder
        self._interval = ReportInterval(store, report_interval_seconds, monotonic)
        self._refused = 0
        self._monotonic = monotonic
        self._wall = wall
        self._sleep = sleep
        self._report: NodeReport | None = None
        self._known = known
        """What was read of the Lease's annotations before the first write; None before a look."""
        self._written: Written | None = None
        self._wake = asyncio.Event()

    def offer(self, report: NodeReport) -> None:
        """Makes `report` the one to write."""
        self._report = replace(report, refused_writes=self._refused)
        self._wake.set()

    async def run(self) -> None:
        """Writes until it is cancelled."""
        await self._wake.wait()
        while True:
            self._wake.clear()
            assert self._report is not None
            wait = due_in(self._written, self._report, encode(self._report), self._interval_now(), self._monotonic())
            if wait > 0:
                await self._wait_for_report(wait)
            if wait <= 0 or not self._wake.is_set():
                await self._write_until_it_works()

    def _interval_now(self) -> float:
        """What holds. A longer one begins with the write that says so: readers must not take the node for dead."""
        longest = math.inf if self._written is None else max(self._written.interval, PULLING_RENEW_SECONDS)
        return min(self._interval.seconds, longest)

    async def _wait_for_report(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _write_until_it_works(self) -> None:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(KubeError),
            wait=retry_wait,
            before_sleep=self._failed,
            sleep=self._sleep,
        )
        async for attempt in retrying:
            with attempt:
                await self.write()

    async def write(self) -> None:
        """One write of the newest report; raises `KubeError`."""
        report, interval = self._report, self._interval.seconds
        assert report is not None
        known, self._known = self._written.annotations if self._written is not None else self._known, None
        if known is None:
            found = await self._store.get(self._node_name)
            known = found.annotations if found is not None else {}
        patch = LeasePatch(
            annotations=changed(known, encode(report)),
            holder=self._holder,
            renewed_at=self._wall(),
            duration_seconds=duration_seconds(report, interval),
        )
        record = await self._store.patch(self._node_name, patch)
        now, before = self._monotonic(), self._written
        # Drawn once a write: drawn at every report, the differences would even out.
        stretch = random.uniform(1 - JITTER if before is not None or report.pulls else FIRST_STRETCH, 1 + JITTER)
        owed = interval + (max(0.0, before.owed - (now - before.at)) if before is not None else 0.0)
        self._written = Written(record.annotations, phases(report), now, stretch, interval, owed)
        if report.pulls:
            await self._interval.refresh()

    def _failed(self, attempt: tenacity.RetryCallState) -> None:
        self._written = None  # the write may have arrived or not: look before the next one
        error = attempt.outcome.exception() if attempt.outcome else None
        if isinstance(error, ApiError) and error.status == 429 and self._report is not None:
            self._refused += 1
            self._report = replace(self._report, refused_writes=self._refused)
        logger.warning("the Lease of node %s could not be written: %s", self._node_name, describe(attempt))
