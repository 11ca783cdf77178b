"""The report interval of this node: the leader's, but not shorter than the setting.

The agent reads the election Lease after a write, while the node pulls, and at most every 15 s. After the write that
reports the start of pulls, the read follows a second later. So an idle node never reads it, and reads are never more
than writes. A failed read changes nothing. Before the first successful read the setting applies, else 5 s. Agents of a
fresh install start before any leader, so they may read again after 5 s. A leader that has been silent for a minute
cannot ask for more than a report in 5 s.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from pulltrace.kube.errors import KubeError
from pulltrace.kube.resources.leases import LeaseRecord, LeaseWriting
from pulltrace.pulls import report_interval

READ_SECONDS = 15.0
DEFAULT_SECONDS = 5.0
"""Without a leader no process counts the pulling nodes. This interval protects the API server."""
LEADER_TIMEOUT_SECONDS = 60.0
"""A leader renews its Lease every two seconds, and another replica takes over within 20."""

logger = logging.getLogger(__name__)


class IntervalReader:
    """`seconds` is the interval; `refresh` reads it again."""

    def __init__(self, store: LeaseWriting, setting_seconds: float | None, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._setting_seconds = setting_seconds
        self._monotonic = monotonic
        self._read_at = -math.inf
        self._version = ""
        self._changed_at = -math.inf
        self._published: float | None = None

    @property
    def seconds(self) -> float:
        """The interval until the next read."""
        if self._published is None:
            return self._setting_seconds or DEFAULT_SECONDS
        silent = self._read_at - self._changed_at >= LEADER_TIMEOUT_SECONDS
        published = max(self._published, DEFAULT_SECONDS) if silent else self._published
        return max(published, self._setting_seconds or 0.0)

    @property
    def is_old(self) -> bool:
        """Whether the next `refresh` reads the Lease."""
        pause = DEFAULT_SECONDS if self._published is None else READ_SECONDS
        return self._monotonic() - self._read_at >= pause

    async def refresh(self) -> None:
        """Read the Lease once, unless the last read is recent. A failed read changes nothing."""
        if not self.is_old:
            return
        self._read_at = now = self._monotonic()
        try:
            record = await self._store.get(report_interval.LEASE)
        except KubeError as error:
            logger.debug("cannot read the report interval, it stays %.1f s: %s", self.seconds, error)
        else:
            self._update(record, now)

    def _update(self, record: LeaseRecord | None, now: float) -> None:
        before = self.seconds
        if record is not None and record.version != self._version:
            self._version, self._changed_at = record.version, now
            self._published = report_interval.interval_seconds(record.annotations) or self._published
        if self.seconds != before:
            logger.info("report interval changed to %.1f s", self.seconds)
