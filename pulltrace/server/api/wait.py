"""`GET /api/v1/wait`: answers when the images of a pod or workload are present, or after a timeout. For scripts.

NOTE: a plain ASGI application, like the stream. Falcon does not report that the client has left, and such a client must
free its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial

import falcon
import orjson

from pulltrace.log_limiter import LogLimiter
from pulltrace.pulls.view import PodLookup, PullSource, Snapshot, Subscription
from pulltrace.server.api.lookup_limiter import ADDRESS, LookupLimiter, Rate, TooManyLookups
from pulltrace.server.api.wait_targets import PodTarget, Readiness, Rows, Target, WorkloadTarget, concerns, result
from pulltrace.server.http import problems
from pulltrace.server.http.asgi import Receive, Scope, Send, respond
from pulltrace.server.http.client_address import Network, client_address
from pulltrace.server.http.connection_limiter import ConnectionLimiter, ConnectionLimits, TooManyConnections
from pulltrace.server.http.problems import BadParameter
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.filters import ANY_TEXT, read_workload

PATH = "/api/v1/wait"

DEFAULT_SECONDS = 60
MAX_SECONDS = 3600
POLL_SECONDS = 5.0
"""Kubernetes is polled for a target without rows."""
POLL_TIMEOUT_SECONDS = 10.0
RECHECK_SECONDS = 15.0
"""A target is checked after so long although no change concerned it: a safety net."""
PAUSE_SECONDS = 0.2
"""A waiter reads the changes of this time together, so an answer comes up to so much later than its change.

500 waiters on 1,000 pods of one workload: 15 % of a core at 20 changes a second, and 12 % at 430.
"""
SHARED_SECONDS = 1.0
"""Waiters share the check of a target until the next change, but no longer: its estimates refer to the time of the check."""

WAITERS = ConnectionLimits(500, 100)

RETRY_SECONDS = 15

PARAMETERS: Mapping[str, Sequence[str]] = {"pod": ANY_TEXT, "workload": ANY_TEXT, "timeout": ANY_TEXT}

logger = logging.getLogger(__name__)


class Wait:
    """The ASGI application that lets clients wait."""

    def __init__(
        self,
        source: PullSource,
        lookup: PodLookup | None,
        clocks: Clocks,
        *,
        limits: ConnectionLimits = WAITERS,
        proxies: Sequence[Network] = (),
        poll_seconds: float = POLL_SECONDS,
        lookups: Rate = ADDRESS,
    ) -> None:
        """`lookup` is None without Kubernetes; `lookups` is the rate of lookups of one address."""
        self._source = source
        self._lookup = lookup
        self._clocks = clocks
        self._proxies = proxies
        self._poll_seconds = poll_seconds
        self._first_lookups = LookupLimiter(clocks.monotonic, address=lookups)
        self._further_lookups = LookupLimiter(clocks.monotonic, address=lookups)
        self._log_limiter = LogLimiter()
        self._rows: Rows | None = None
        self.waiters = ConnectionLimiter(limits, "requests that wait")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._answer(scope, receive)
        except falcon.HTTPError as error:
            await problems.respond_error(send, error)
            return
        if body is not None:
            await respond(send, 200, "application/json", body, [(b"cache-control", b"no-store")])

    async def _answer(self, scope: Scope, receive: Receive) -> bytes | None:
        """Return the body; None when the client has left. Raises HTTPError."""
        if scope["method"] != "GET":
            raise falcon.HTTPMethodNotAllowed(["GET"])
        query = problems.read_query(scope["query_string"].decode("latin-1"), PARAMETERS)
        target, timeout_seconds = _target(query), _timeout_seconds(query)
        address = client_address(scope, self._proxies)
        try:
            self.waiters.acquire(address)
        except TooManyConnections as refused:
            raise falcon.HTTPServiceUnavailable(
                title="Too many waiters", description=str(refused), retry_after=RETRY_SECONDS
            ) from None
        leaving = asyncio.create_task(_until_gone(receive))
        waiting = asyncio.create_task(self._wait(target, timeout_seconds, address))
        try:
            await asyncio.wait((leaving, waiting), return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            self.waiters.release(address)
            if not len(self.waiters):
                self._rows = None  # it holds all rows of its time
            leaving.cancel()
            waiting.cancel()

    async def _wait(self, target: Target, timeout_seconds: float, address: str) -> bytes:
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_seconds
        readiness: Readiness | None = None
        while True:
            snapshot, subscription = self._source.subscribe()
            with closing(subscription):
                readiness = await self._check(target, self._shared_rows(snapshot), address, readiness)
                left_seconds = ends_at - loop.time()
                if readiness.ready or left_seconds <= 0:
                    break
                if self._source.closed:
                    raise falcon.HTTPServiceUnavailable(
                        title="Shutting down", description="This replica ends now; others may serve.", retry_after=1
                    )
                pause_seconds = self._poll_seconds if readiness.from_kubernetes else RECHECK_SECONDS
                await _until_change(subscription, target, min(left_seconds, pause_seconds))
        if readiness.ready is None:
            detail = f"After {timeout_seconds:g} s there is still no {str(target)[:200]} that Pulltrace can see."
            raise falcon.HTTPNotFound(title="Nothing to wait for", description=detail)
        return orjson.dumps(result(readiness, timed_out=not readiness.ready, clocks=self._clocks))

    def _shared_rows(self, snapshot: Snapshot) -> Rows:
        now = self._clocks.monotonic()
        if self._rows is None or self._rows.snapshot is not snapshot or now - self._rows.now >= SHARED_SECONDS:
            self._rows = Rows(snapshot, now)
        return self._rows

    async def _check(self, target: Target, rows: Rows, address: str, before: Readiness | None) -> Readiness:
        shown = rows.readiness(target)
        if shown.ready is False or self._lookup is None:
            return shown
        limiter = self._first_lookups if before is None else self._further_lookups
        try:
            async with asyncio.timeout(POLL_TIMEOUT_SECONDS):
                return await target.confirm(shown, self._lookup, partial(limiter.admit, address))
        except TooManyLookups as refused:
            if before is not None:  # the next poll may be admitted
                return replace(before, from_kubernetes=True)
            raise falcon.HTTPServiceUnavailable(
                title="Too many lookups", description=refused.detail, retry_after=refused.retry_seconds
            ) from None
        except Exception as error:
            # Kubernetes may answer the next poll.
            line = f"polling {str(target)[:200]}: {error!r}; the next poll is in {self._poll_seconds:g} s"
            if limited := self._log_limiter.admit("", line, self._clocks.monotonic()):
                logger.warning(limited)
            return Readiness(ready=False, from_kubernetes=True)


async def _until_change(subscription: Subscription, target: Target, seconds: float) -> None:
    """Return when a change concerns the target, when changes were missed, when the store closes, or after the time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (changes := await subscription.next(seconds)) is not None:
                await asyncio.sleep(seconds_to_check(asyncio.get_running_loop().time()))
                if any(concerns(target, change) for change in changes):
                    return


def seconds_to_check(now: float) -> float:
    """Return the pause from half of PAUSE_SECONDS to all of it. All waiters' pauses end together: they share checks."""
    return PAUSE_SECONDS - now % (PAUSE_SECONDS / 2)


def _target(query: Mapping[str, Sequence[str]]) -> Target:
    given = [(name, value) for name in ("pod", "workload") for value in query.get(name, ())]
    if len(given) != 1:
        raise falcon.HTTPBadRequest(
            title="Bad query string",
            description="It takes one pod=NAMESPACE/NAME or one workload=NAMESPACE/KIND/NAME, and may take a timeout.",
        )
    [(name, value)] = given
    if name == "workload":
        return WorkloadTarget(read_workload(value))
    namespace, _, pod = value.partition("/")
    if not namespace or not pod or "/" in pod:
        raise BadParameter("pod", value, (), "pod is written NAMESPACE/NAME, such as shop/web-0.")
    return PodTarget(namespace, pod)


def _timeout_seconds(query: Mapping[str, Sequence[str]]) -> float:
    text = query.get("timeout", (str(DEFAULT_SECONDS),))[-1]
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= MAX_SECONDS):
        raise BadParameter("timeout", text, (), f"timeout is a whole number of seconds from 0 to {MAX_SECONDS}.")
    return float(text)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
