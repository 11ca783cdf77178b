"""Writes the node's report to its Lease: when `write_schedule` decides, at the interval of `interval_reader`.

A write sends only the keys that changed. An idle node renews so rarely that the API server does not notice thousands of
them. While the API server does not answer, newer reports replace older ones, and the next write has the newest.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import tenacity

from pulltrace.agent.interval_reader import IntervalReader
from pulltrace.agent.write_schedule import (
    LastWrite,
    after_interval_read,
    after_write,
    annotations_patch,
    lease_duration_seconds,
    seconds_until_write,
    starts_pulling,
    usable_interval,
)
from pulltrace.kube.client.retry import describe_retry, retry_wait
from pulltrace.kube.errors import ApiError, KubeError
from pulltrace.kube.resources.leases import WRITE_PERMISSION, LeasePatch, LeaseWriting
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport

logger = logging.getLogger(__name__)


class LeaseWriter:
    """Accepts every report and writes the newest in time."""

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
        self._interval = IntervalReader(store, report_interval_seconds, monotonic)
        self._refused = 0
        self._monotonic = monotonic
        self._wall = wall
        self._sleep = sleep
        self._report: NodeReport | None = None
        self._known = known
        """The Lease's annotations before the first write; None when it must be read first."""
        self._last: LastWrite | None = None
        self._last_encoded: tuple[NodeReport, Mapping[str, str]] | None = None
        self._wake = asyncio.Event()

    def offer(self, report: NodeReport) -> None:
        """Make `report` the one to write."""
        if report != self._report:
            self._report = report
            self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        await self._wake.wait()
        while True:
            self._wake.clear()
            if (wait := self._seconds_until_write()) > 0:
                await self._wait_for_report(wait)
            elif self._last is not None and self._last.starts:
                await self._interval.refresh()
                self._last = after_interval_read(self._last, self._interval.seconds, random.random)
            else:
                await self._write_with_retries()

    def _seconds_until_write(self) -> float:
        assert self._report is not None
        interval, now = usable_interval(self._last, self._interval.seconds), self._monotonic()
        earliest = seconds_until_write(self._last, self._report, interval, now, changed=True)
        if earliest > 0 or self._last is None:
            return earliest  # encoding costs more than all other work between two writes
        changed = bool(annotations_patch(self._last.annotations, self._annotations(self._report)))
        return seconds_until_write(self._last, self._report, interval, now, changed=changed)

    def _annotations(self, report: NodeReport) -> Mapping[str, str]:
        report = replace(report, refused_writes=self._refused)
        if self._last_encoded is None or self._last_encoded[0] != report:
            self._last_encoded = report, encode(report)
        return self._last_encoded[1]

    async def _wait_for_report(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _write_with_retries(self) -> None:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(KubeError),
            wait=retry_wait,
            before_sleep=self._before_retry,
            sleep=self._sleep,
        )
        async for attempt in retrying:
            with attempt:
                await self.write()

    async def write(self) -> None:
        """Write the newest report once. Raises `KubeError`."""
        report, interval, last = self._report, self._interval.seconds, self._last
        assert report is not None
        known, self._known = last.annotations if last is not None else self._known, None
        if known is None:
            found = await self._store.get(self._node_name)
            known = found.annotations if found is not None else {}
        starts = starts_pulling(last, report) and self._interval.is_old
        patch = LeasePatch(
            annotations=annotations_patch(known, self._annotations(report)),
            holder=self._holder,
            renewed_at=self._wall(),
            duration_seconds=lease_duration_seconds(report, interval, starts=starts),
        )
        record = await self._store.patch(self._node_name, patch)
        now = self._monotonic()
        self._last = after_write(last, record.annotations, report, interval, now, random.random, starts=starts)
        if report.pulls and not starts:
            await self._interval.refresh()

    def _before_retry(self, attempt: tenacity.RetryCallState) -> None:
        self._last = None  # the failed write may have reached the API server: the next one reads the Lease first
        error = attempt.outcome.exception() if attempt.outcome else None
        if isinstance(error, ApiError) and error.status == 429:
            self._refused += 1
        logger.warning(
            "cannot write the Lease of node %s: %s", self._node_name, describe_retry(attempt, WRITE_PERMISSION)
        )
