"""One of several replicas leads: whoever holds the Lease that all of them watch.

The rules are those of Kubernetes' own controllers (client-go), on the monotonic clock. The leader renews every 2 s. A
leader that has not been able to renew for 10 s ends its work, 5 s before anybody else may begin, and goes on as a
follower. A follower takes the Lease when nobody renews it, or at once when it was released.

What the leader wants to tell (`publish`) goes with its renewals, so that only a leader can tell it.

NOTE: the library's own elector (kubernetes 37) goes on leading when the API server is gone or hangs, and does not
notice that its work has failed.
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

from pulltrace.kube.client.api import Requesting
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.election.lease_lock import ElectionLease
from pulltrace.kube.errors import ApiError, ApiUnreachable, KubeError
from pulltrace.kube.watch.reflector import FORBIDDEN_SECONDS

RETRY_JITTER = (0.7, 0.9)
"""Of the retry period: replicas drift apart, and with its requests each stays within the period."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """The times of an election; the same in all replicas."""

    lease_seconds: float = 15.0
    """A record that has not changed for so long is nobody's any more."""
    renew_deadline_seconds: float = 10.0
    """A leader that has not renewed for so long stops; the rest of the lease is for its work to end in."""
    retry_seconds: float = 2.0
    """Between two tries, and the longest that one of them may take."""


class Elector:
    """Stands for election under the name `identity`, which no other process may have at the same time."""

    def __init__(
        self,
        connection: Requesting,
        namespace: str,
        name: str,
        identity: str,
        terms: Terms | None = None,
        *,
        timing: Timing | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.identity = identity
        self.refusals = 0
        """How often the API server has answered 429 here."""
        self._terms = terms or Terms()
        self._timing = timing or Timing()
        self._lease = ElectionLease(
            connection, namespace, name, identity, self._terms.lease_seconds,
            monotonic=self._timing.monotonic, wall=wall,
        )  # fmt: skip
        self._tried_at = self._leads_until = -math.inf
        self._published: dict[str, str] = {}
        self._news = asyncio.Event()
        self._trouble = ""

    @property
    def leading(self) -> bool:
        """Whether this process may do the leader's work at this moment."""
        return self._timing.monotonic() < self._leads_until

    @property
    def annotations(self) -> Mapping[str, str]:
        """Those of the Lease as it was last seen."""
        return self._lease.annotations

    def publish(self, annotations: Mapping[str, str]) -> None:
        """What the leader's Lease says from now on, beside what others wrote there: written at once, and kept."""
        if annotations != self._published:
            self._published = dict(annotations)
            self._news.set()

    async def remark(self, annotations: Mapping[str, str]) -> None:
        """A follower's word to the leader. Raises `KubeError`, also where there is no Lease yet."""
        async with _limit(self._terms.retry_seconds):
            await self._lease.remark(annotations)

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Does `work` whenever it leads, until the work ends by itself or this is cancelled; then releases the Lease.

        The work is cancelled when the leadership is lost, and must end within seconds then. What it raises
        is raised here, after the release.
        """
        try:
            while True:
                await self._acquire()
                _log.info("%s leads: it holds the Lease %s", self.identity, self._lease.name)
                if await self._lead(work):
                    return
                _log.warning("%s does not lead any more; it goes on as a follower", self.identity)
        finally:
            await self._release()

    async def _acquire(self) -> None:
        while True:
            pause = self._pause()
            try:
                if await self._attempt(self._terms.retry_seconds):
                    return
                pause = min(pause, self._lease.free_at - self._timing.monotonic())
                self._trouble = ""
            except KubeError as error:
                text = str(error)
                if isinstance(error, ApiError) and error.status == 403:
                    text = f"missing permission to get, create and update leases.coordination.k8s.io: {error}"
                    pause = self._timing.uniform(1.0, 1.25) * FORBIDDEN_SECONDS
                self._say(text)
            await self._timing.sleep(max(0.0, pause))

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether the work has ended, rather than the leadership."""
        working, renewing = asyncio.ensure_future(work()), asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
            ended = working.done()
        finally:
            self._leads_until = -math.inf
            self._published.clear()
            outcomes = await _end(working, renewing)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return ended

    async def _renew(self) -> None:
        """Ends when the Lease is somebody else's, or could not be renewed in time."""
        while True:
            # From try to try: one that had no answer is followed by the next at once.
            next_at = min(self._tried_at + self._pause(), self._leads_until)
            await self._until_news(max(0.0, next_at - self._timing.monotonic()))
            left = self._leads_until - self._timing.monotonic()
            if left <= 0:
                _log.warning("the Lease %s was not renewed within its deadline", self._lease.name)
                return
            try:
                if not await self._attempt(min(self._terms.retry_seconds, left)):
                    _log.warning("the Lease %s has been taken by %s", self._lease.name, self._lease.holder)
                    return
                self._trouble = ""
            except KubeError as error:
                self._say(str(error))

    async def _until_news(self, seconds: float) -> None:
        sleeping, hearing = (asyncio.ensure_future(each) for each in (self._timing.sleep(seconds), self._news.wait()))
        try:
            await asyncio.wait((sleeping, hearing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(sleeping, hearing)

    async def _attempt(self, limit_seconds: float) -> bool:
        """One try to have the Lease for another term: whether it is ours. Raises `KubeError`."""
        self._news.clear()
        self._tried_at = began = self._timing.monotonic()
        try:
            async with _limit(limit_seconds):
                ours = await self._lease.take(self._published, known=self.leading)
        except ApiError as error:
            self.refusals += error.status == 429
            raise
        # From before the request: others count from when they see it.
        self._leads_until = began + self._terms.renew_deadline_seconds if ours else -math.inf
        return ours

    async def _release(self) -> None:
        try:
            async with _limit(self._terms.retry_seconds):
                await self._lease.release()
        except KubeError as error:
            _log.warning("the Lease %s could not be released (%s); it runs out by itself", self._lease.name, error)

    def _pause(self) -> float:
        return self._timing.uniform(*RETRY_JITTER) * self._terms.retry_seconds

    def _say(self, trouble: str) -> None:
        """Logs what is wrong, once for as long as it stays the same."""
        if trouble != self._trouble:
            _log.warning("the Lease %s: %s; trying again", self._lease.name, trouble)
        self._trouble = trouble


@asynccontextmanager
async def _limit(seconds: float) -> AsyncIterator[None]:
    """A limit for several requests together, whatever each of them allows itself."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise ApiUnreachable(f"no answer within {seconds:.1f} s") from error


async def _end(*tasks: asyncio.Future[Any]) -> tuple[object, ...]:
    """Cancel them and wait until they have ended; what each of them gave or raised."""
    for task in tasks:
        task.cancel()
    return tuple(await asyncio.gather(*tasks, return_exceptions=True))
