"""The report interval that holds on this node: what the leading aggregator says, but no shorter than the setting.

The aggregators' Lease is read after a write (a second after the one that says that the node begins to pull), while the
node pulls, and at most every 15 s: so an idle node never reads it, and reads are never more than writes. Where nothing
can be read the last value holds, where there never was one the setting, else 5 s (and a look may follow after so long,
since agents of a fresh install are up before anybody leads); and an aggregator that has been silent for a minute is not
believed when it asked for more.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from pulltrace.kube.errors import KubeError
from pulltrace.kube.resources.leases import LeaseRecord, LeaseWriting
from pulltrace.pulls import report_interval

LOOK_SECONDS = 15.0
UNPUBLISHED_SECONDS = 5.0
"""Nobody counts how many nodes pull: rather too slow for a viewer than too fast for the API server."""
SILENT_SECONDS = 60.0
"""A leader renews its Lease every two seconds, and another one takes over within 20."""

logger = logging.getLogger(__name__)


class ReportInterval:
    """`seconds` is what holds; `refresh` keeps it up to date."""

    def __init__(self, store: LeaseWriting, setting_seconds: float | None, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._setting_seconds = setting_seconds
        self._monotonic = monotonic
        self._looked_at = -math.inf
        self._version = ""
        self._changed_at = -math.inf
        self._published: float | None = None

    @property
    def seconds(self) -> float:
        if self._published is None:
            return self._setting_seconds or UNPUBLISHED_SECONDS
        silent = self._looked_at - self._changed_at >= SILENT_SECONDS
        published = max(self._published, UNPUBLISHED_SECONDS) if silent else self._published
        return max(published, self._setting_seconds or 0.0)

    @property
    def is_old(self) -> bool:
        """Whether another look may be taken."""
        pause = UNPUBLISHED_SECONDS if self._published is None else LOOK_SECONDS
        return self._monotonic() - self._looked_at >= pause

    async def refresh(self) -> None:
        """One look, if the last one was long enough ago. A look that fails changes nothing."""
        if not self.is_old:
            return
        self._looked_at = now = self._monotonic()
        try:
            record = await self._store.get(report_interval.LEASE)
        except KubeError as error:
            logger.debug("the report interval could not be read, %.1f s holds: %s", self.seconds, error)
        else:
            self._learn(record, now)

    def _learn(self, record: LeaseRecord | None, now: float) -> None:
        before = self.seconds
        if record is not None and record.version != self._version:
            self._version, self._changed_at = record.version, now
            self._published = report_interval.interval_seconds(record.annotations) or self._published
        if self.seconds != before:
            logger.info("progress is reported every %.1f s from now on", self.seconds)
