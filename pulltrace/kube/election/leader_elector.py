"""One of several replicas leads: the one that holds the election's Lease.

The rules are those of client-go, on the monotonic clock. The leader renews every 2 s. A leader that could not renew for
10 s ends its work, 5 s before another replica may begin, and continues as a follower. A follower acquires the Lease when
it has expired, or at once when it was released. The leader's annotations (`publish`) are part of its renewals, so only a
leader can write them.

NOTE: the library's own elector (kubernetes 37) goes on leading when the API server is unreachable or hangs, and does
not notice that its work has failed.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pulltrace.kube.client.api import ApiClient
from pulltrace.kube.client.retry import Timing, retry_delay
from pulltrace.kube.election.lease_lock import LeaseLock
from pulltrace.kube.errors import ApiError, ApiUnreachable, KubeError, explain

RETRY_JITTER = (0.7, 0.9)
"""Factor of the retry period: replicas drift apart, and each stays within the period with its requests."""
PERMISSION = "get, create and update leases.coordination.k8s.io"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ElectionConfig:
    """The times of an election, with client-go's names; the same in all replicas."""

    lease_duration_seconds: float = 15.0
    """A record that has not changed for so long has expired."""
    renew_deadline_seconds: float = 10.0
    """A leader that could not renew for so long stops; its work may end in the rest of the lease duration."""
    retry_period_seconds: float = 2.0
    """The time between two attempts, and the time limit of each."""


class LeaderElector:
    """A candidate under the name `identity`, which must be unique among all processes."""

    def __init__(
        self,
        client: ApiClient,
        namespace: str,
        name: str,
        identity: str,
        config: ElectionConfig | None = None,
        *,
        timing: Timing | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.identity = identity
        self.refusals = 0
        """How often the API server responded with 429 to this elector."""
        self._config = config or ElectionConfig()
        self._timing = timing or Timing()
        self._lock = LeaseLock(
            client, namespace, name, identity, self._config.lease_duration_seconds,
            monotonic=self._timing.monotonic, wall=wall,
        )  # fmt: skip
        self._tried_at = self._leads_until = -math.inf
        self._published: dict[str, str] = {}
        self._unpublished = asyncio.Event()
        self._problem = ""

    @property
    def leading(self) -> bool:
        """Whether this process may do the leader's work now."""
        return self._timing.monotonic() < self._leads_until

    @property
    def annotations(self) -> Mapping[str, str]:
        """The Lease's annotations as they were last read."""
        return self._lock.annotations

    def publish(self, annotations: Mapping[str, str]) -> None:
        """Write the leader's annotations at once and with each renewal, beside those of other clients."""
        if annotations != self._published:
            self._published = dict(annotations)
            self._unpublished.set()

    async def annotate(self, annotations: Mapping[str, str]) -> None:
        """Write a follower's annotations for the leader. Raises `KubeError`, also if the Lease does not exist yet."""
        async with _limit(self._config.retry_period_seconds):
            await self._lock.annotate(annotations)

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` whenever this replica leads, until the work ends by itself or this is cancelled; then release.

        `work` is cancelled when the leadership is lost, and must end within seconds. An exception of `work` is raised
        after the release.
        """
        try:
            while True:
                await self._acquire()
                _log.info("%s leads: it holds the Lease %s", self.identity, self._lock.name)
                if await self._lead(work):
                    return
                _log.warning("%s no longer leads; it continues as a follower", self.identity)
        finally:
            await self._release()

    async def _acquire(self) -> None:
        """Return once this replica holds the Lease."""
        while True:
            pause = self._retry_period()
            try:
                if await self._try_acquire(self._config.retry_period_seconds):
                    return
                pause = min(pause, self._lock.expires_at - self._timing.monotonic())
                self._problem = ""
            except KubeError as error:
                if isinstance(error, ApiError) and error.status == 403:
                    pause = retry_delay(error, 0, uniform=self._timing.uniform)
                self._log_problem(explain(error, PERMISSION))
            await self._timing.sleep(max(0.0, pause))

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Return whether the work has ended, rather than the leadership."""
        working, renewing = asyncio.ensure_future(work()), asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
            ended = working.done()
        finally:
            self._leads_until = -math.inf
            self._published.clear()
            outcomes = await _cancel(working, renewing)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return ended

    async def _renew(self) -> None:
        """Renew until another replica holds the Lease, or the renew deadline has passed."""
        while True:
            # Counted from the start of the last attempt: one without a response is followed by the next at once.
            next_at = min(self._tried_at + self._retry_period(), self._leads_until)
            await self._sleep_until_published(max(0.0, next_at - self._timing.monotonic()))
            left = self._leads_until - self._timing.monotonic()
            if left <= 0:
                _log.warning("the Lease %s was not renewed within its deadline", self._lock.name)
                return
            try:
                if not await self._try_acquire(min(self._config.retry_period_seconds, left)):
                    _log.warning("the Lease %s was acquired by %s", self._lock.name, self._lock.holder)
                    return
                self._problem = ""
            except KubeError as error:
                self._log_problem(str(error))

    async def _sleep_until_published(self, seconds: float) -> None:
        """Sleep, but not beyond the next `publish`."""
        sleeping = asyncio.ensure_future(self._timing.sleep(seconds))
        publishing = asyncio.ensure_future(self._unpublished.wait())
        try:
            await asyncio.wait((sleeping, publishing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancel(sleeping, publishing)

    async def _try_acquire(self, limit_seconds: float) -> bool:
        """Try once to acquire or renew the Lease; return whether this replica holds it. Raises `KubeError`."""
        self._unpublished.clear()
        self._tried_at = started_at = self._timing.monotonic()
        try:
            async with _limit(limit_seconds):
                acquired = await self._lock.acquire(self._published, held=self.leading)
        except ApiError as error:
            self.refusals += error.status == 429
            raise
        # Counted from before the request: the others count from when they see its result.
        self._leads_until = started_at + self._config.renew_deadline_seconds if acquired else -math.inf
        return acquired

    async def _release(self) -> None:
        try:
            async with _limit(self._config.retry_period_seconds):
                await self._lock.release()
        except KubeError as error:
            _log.warning("the Lease %s could not be released (%s); it will expire", self._lock.name, error)

    def _retry_period(self) -> float:
        return self._timing.uniform(*RETRY_JITTER) * self._config.retry_period_seconds

    def _log_problem(self, problem: str) -> None:
        """Log a problem once, for as long as it stays the same."""
        if problem != self._problem:
            _log.warning("the Lease %s: %s; retrying", self._lock.name, problem)
        self._problem = problem


@asynccontextmanager
async def _limit(seconds: float) -> AsyncIterator[None]:
    """Limit several requests together, whatever the limit of each. Raises `ApiUnreachable`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise ApiUnreachable(f"no answer within {seconds:.1f} s") from error


async def _cancel(*tasks: asyncio.Future[Any]) -> tuple[object, ...]:
    """Cancel the tasks, wait until they have ended, and return their results or exceptions."""
    for task in tasks:
        task.cancel()
    return tuple(await asyncio.gather(*tasks, return_exceptions=True))
