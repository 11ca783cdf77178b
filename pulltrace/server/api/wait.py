"""`GET /api/v1/wait`: answers when the images of a pod or a workload are there, or when the time is over. For scripts.

NOTE: a plain ASGI application, as the live stream is: Falcon does not say when the client has left, and who waits for an
hour and leaves after a second must not take anybody's place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import falcon
import orjson

from pulltrace.log_limiter import LogLimiter
from pulltrace.pulls.view import PodFinding, PullSource
from pulltrace.server.api.lookup_limiter import ADDRESS, LookupLimiter, Rate, TooManyLookups
from pulltrace.server.api.wait_targets import Finding, PodTarget, Target, WorkloadTarget, answer
from pulltrace.server.http import problems
from pulltrace.server.http.asgi import Receive, Scope, Send, respond
from pulltrace.server.http.client_address import Network, peer_of
from pulltrace.server.http.connection_limiter import Limits, Refused, Room
from pulltrace.server.http.problems import BadParameter
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.filters import read_workload
from pulltrace.server.sse.bell import Bell

PATH = "/api/v1/wait"

DEFAULT_SECONDS = 60
MAX_SECONDS = 3600
ASK_SECONDS = 5.0
"""How often Kubernetes is asked for what the rows say nothing of."""
ASK_TIMEOUT_SECONDS = 10.0
LOOK_SECONDS = 15.0
"""How often the rows are looked at though no change of them was heard of: a safety net."""

ROOM = Limits(500, 100)

RETRY_SECONDS = 15

_ANY = ()
QUERY: Mapping[str, Sequence[str]] = {"pod": _ANY, "workload": _ANY, "timeout": _ANY}

logger = logging.getLogger(__name__)


class Wait:
    """The ASGI application that lets clients wait."""

    def __init__(
        self,
        source: PullSource,
        finder: PodFinding | None,
        clocks: Clocks,
        *,
        limits: Limits = ROOM,
        proxies: Sequence[Network] = (),
        ask_seconds: float = ASK_SECONDS,
        lookups: Rate = ADDRESS,
    ) -> None:
        self._source = source
        self._finder = finder
        self._clocks = clocks
        self._proxies = proxies
        self._ask_seconds = ask_seconds
        self._first_lookups = LookupLimiter(clocks.monotonic, address=lookups)
        self._further_lookups = LookupLimiter(clocks.monotonic, address=lookups)
        self._limiter = LogLimiter()
        self.bell = Bell(source)
        self.room = Room(limits, "Too many waiters", "requests that wait")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._answer(scope, receive)
        except falcon.HTTPError as error:
            await problems.respond_error(send, error)
            return
        if body is not None:
            await respond(send, 200, "application/json", body, [(b"cache-control", b"no-store")])

    async def _answer(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None when the client has left. Raises HTTPError."""
        if scope["method"] != "GET":
            raise falcon.HTTPMethodNotAllowed(["GET"])
        query = problems.read_query(scope["query_string"].decode("latin-1"), QUERY)
        target, timeout_seconds = _target(query), _timeout_seconds(query)
        address = peer_of(scope, self._proxies)
        try:
            self.room.check(address)
        except Refused as refused:
            raise falcon.HTTPServiceUnavailable(
                title=refused.title, description=refused.detail, retry_after=RETRY_SECONDS
            ) from None
        self.room.enter(address)
        leaving = asyncio.create_task(_until_gone(receive))
        waiting = asyncio.create_task(self._wait(target, timeout_seconds, address))
        try:
            await asyncio.wait((leaving, waiting), return_when=asyncio.FIRST_COMPLETED)
            return waiting.result() if waiting.done() else None
        finally:
            self.room.leave(address)
            leaving.cancel()
            waiting.cancel()

    async def _wait(self, target: Target, timeout_seconds: float, address: str) -> bytes:
        loop = asyncio.get_running_loop()
        finding: Finding | None = None
        ends_at = loop.time() + timeout_seconds
        with self.bell.listening(target.concerns) as rung:
            while True:
                rung.clear()
                finding = await self._look(target, address, finding)
                left_seconds = ends_at - loop.time()
                if finding.ready:
                    return self._written(finding, timed_out=False)
                if self._source.closed:
                    raise falcon.HTTPServiceUnavailable(
                        title="Shutting down", description="This replica ends now; others may serve.", retry_after=1
                    )
                if left_seconds <= 0:
                    break
                pause_seconds = min(left_seconds, self._ask_seconds if finding.asked else LOOK_SECONDS)
                try:
                    async with asyncio.timeout(pause_seconds):
                        await rung.wait()
                except TimeoutError:
                    pass
        if finding.ready is None:
            raise falcon.HTTPNotFound(
                title="Nothing to wait for",
                description=f"After {timeout_seconds:g} s there is still no {target.name[:200]} that Pulltrace can see.",
            )
        return self._written(finding, timed_out=True)

    async def _look(self, target: Target, address: str, before: Finding | None) -> Finding:
        limiter = self._first_lookups if before is None else self._further_lookups
        finder = self._finder and self._finder.for_client(partial(limiter.admit, address))
        try:
            async with asyncio.timeout(ASK_TIMEOUT_SECONDS):
                return await target.look(self._source.snapshot(), finder, self._clocks)
        except TooManyLookups as refused:
            if before is not None:  # a later look may find room
                return replace(before, asked=True)
            raise falcon.HTTPServiceUnavailable(
                title="Too many lookups", description=refused.detail, retry_after=refused.retry_seconds
            ) from None
        except Exception as error:
            # Whatever Kubernetes has against the question: it may have an answer to the next.
            line = f"asking for {target.name[:200]}: {error!r}; it is asked again in {self._ask_seconds:g} s"
            if limited := self._limiter.admit("", line, self._clocks.monotonic()):
                logger.warning(limited)
            return Finding(ready=False, asked=True, told={})

    def _written(self, finding: Finding, *, timed_out: bool) -> bytes:
        return orjson.dumps(answer(finding, timed_out=timed_out, now=self._clocks.wall()))


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
