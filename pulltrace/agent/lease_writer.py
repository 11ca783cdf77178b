"""Writes the node's report to its Lease when it is due (`schedule`), at the pace that the leader asks for (`interval`).

Only keys that changed are sent, and nothing when nothing changed; an idle node renews so rarely that
thousands of them go unnoticed. While the API server does not answer, reports replace each other and
the next write carries the current one.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import tenacity

from pulltrace.agent.interval_reader import ReportInterval
from pulltrace.agent.write_schedule import (
    Written,
    begins_to_pull,
    changes,
    due_in,
    duration_seconds,
    has_looked,
    has_written,
    held,
)
from pulltrace.kube.client.retry import describe_retry, retry_wait
from pulltrace.kube.errors import ApiError, KubeError
from pulltrace.kube.resources.leases import WRITE_PERMISSION, LeasePatch, LeaseWriting
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport

logger = logging.getLogger(__name__)


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
        self._last: tuple[NodeReport, Mapping[str, str]] | None = None
        """The report that was encoded last, and its annotations."""
        self._wake = asyncio.Event()

    def offer(self, report: NodeReport) -> None:
        """Makes `report` the one to write; one that says nothing new wakes nobody."""
        report = replace(report, refused_writes=self._refused)
        if report != self._report:
            self._report = report
            self._wake.set()

    async def run(self) -> None:
        """Writes until it is cancelled."""
        await self._wake.wait()
        while True:
            self._wake.clear()
            if (wait := self._due_in()) > 0:
                await self._wait_for_report(wait)
            elif self._written is not None and self._written.begins:
                await self._interval.refresh()
                self._written = has_looked(self._written, self._interval.seconds, random.random)
            else:
                await self._write_until_it_works()

    def _due_in(self) -> float:
        assert self._report is not None
        interval, now = held(self._written, self._interval.seconds), self._monotonic()
        earliest = due_in(self._written, self._report, interval, now, changed=True)
        if earliest > 0 or self._written is None:
            return earliest  # encoding costs more than all else that an agent does between two writes
        differs = bool(changes(self._written.annotations, self._encoded(self._report)))
        return due_in(self._written, self._report, interval, now, changed=differs)

    def _encoded(self, report: NodeReport) -> Mapping[str, str]:
        if self._last is None or self._last[0] != report:
            self._last = report, encode(report)
        return self._last[1]

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
        before = self._written
        begins = begins_to_pull(before, report) and self._interval.is_old
        patch = LeasePatch(
            annotations=changes(known, self._encoded(report)),
            holder=self._holder,
            renewed_at=self._wall(),
            duration_seconds=duration_seconds(report, interval, begins=begins),
        )
        record = await self._store.patch(self._node_name, patch)
        now = self._monotonic()
        self._written = has_written(before, record.annotations, report, interval, now, random.random, begins=begins)
        if report.pulls and not begins:
            await self._interval.refresh()

    def _failed(self, attempt: tenacity.RetryCallState) -> None:
        self._written = None  # the write may have arrived or not: look before the next one
        error = attempt.outcome.exception() if attempt.outcome else None
        if isinstance(error, ApiError) and error.status == 429 and self._report is not None:
            self._refused += 1
            self._report = replace(self._report, refused_writes=self._refused)
        description = describe_retry(attempt, WRITE_PERMISSION)
        logger.warning("the Lease of node %s could not be written: %s", self._node_name, description)
