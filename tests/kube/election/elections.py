"""Candidates for one Lease of a fake API server, in virtual time: no sockets, and each can be cut off by itself."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from pulltrace.kube.client.api import JSON, REQUEST_SECONDS, Params
from pulltrace.kube.client.retry import Timing
from pulltrace.kube.election.leader_elector import LeaderElector
from pulltrace.kube.errors import ApiError, ApiUnreachable
from tests.builders import virtual_time
from tests.fakes.api_server import FakeApiServer, Raw, Seen, StatusError

NAME = "election"
WALL = 1_700_000_000


class Line:
    """`ApiClient` straight into the fake, with the faults of one replica's network."""

    def __init__(self, server: FakeApiServer) -> None:
        self.server = server
        self.mode = "works"
        """`refuses`, `hangs`, `loses` (the request arrives, the answer does not), or an HTTP status as a number."""
        self.sent: list[str] = []

    async def namespace(self) -> str | None:
        return "ns"

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: object = None,
        content_type: str = JSON,
        timeout_seconds: float = REQUEST_SECONDS,
    ) -> tuple[int, Any]:
        self.sent.append(method)
        await asyncio.sleep(0.01)
        if self.mode == "refuses":
            raise ApiUnreachable("connection refused")
        if self.mode == "hangs":
            await asyncio.Event().wait()
        if self.mode.isdigit():
            raise ApiError(int(self.mode), "on demand")
        name = path.partition("/leases")[2].strip("/")
        try:
            answer = self.server._answer(
                Seen(method, path, {}, {"Content-Type": content_type}, body), "leases", "ns", name
            )
        except StatusError as error:
            raise ApiError(error.code, error.message) from error
        if self.mode == "loses":
            await asyncio.Event().wait()
        return 200, answer


class Candidate:
    """An elector, its network, and the times at which its work ran."""

    def __init__(self, server: FakeApiServer, identity: str, clock_offset: float = 0.0) -> None:
        self.line = Line(server)
        self.clock_offset = clock_offset
        self.frozen_seconds = 0.0
        """How long its process has been stopped: time that went by without it."""
        timing = Timing(monotonic=lambda: virtual_time.now() + self.frozen_seconds)
        self.elector = LeaderElector(self.line, "ns", NAME, identity, timing=timing, wall=self._wall)
        self.terms: list[tuple[float, float | None]] = []
        """When each term's work began and ended."""
        self.error: Exception | None = None
        self.fail = asyncio.Event()
        self.running = asyncio.create_task(self.elector.run(self._work))

    def _wall(self) -> float:
        return WALL + virtual_time.now() + self.clock_offset

    @property
    def works(self) -> bool:
        return bool(self.terms) and self.terms[-1][1] is None

    async def _work(self) -> None:
        self.terms.append((virtual_time.now(), None))
        try:
            await self.fail.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.terms[-1] = (self.terms[-1][0], virtual_time.now())

    async def stop(self) -> None:
        """Stop as after SIGTERM."""
        self.running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.running

    async def die(self) -> None:
        """Stop as after SIGKILL: nothing is released."""
        self.line.mode = "refuses"
        await self.stop()


async def leads(candidate: Candidate) -> float:
    """The time at which it does the leader's work."""
    while not candidate.works:
        await asyncio.sleep(0.01)
    return virtual_time.now()


def lease(server: FakeApiServer) -> Raw:
    return server.get("leases", "ns", NAME)
