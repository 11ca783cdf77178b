"""The nodes of `cluster_load`: pulls that come and go by themselves, each node with the agent's real writer.

The simulated agent does not poll containerd (`node_cost` measures that): a node's report is a function of time. All
writers share a few connections; thousands of TLS connections would be the benchmark's cost, not the cluster's.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

import orjson

from pulltrace.agent.lease_writer import LeaseWriter
from pulltrace.kube.client.api import JSON, REQUEST_SECONDS, Params
from pulltrace.kube.client.credentials import ConfigSource
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.errors import ApiError, KubeError
from pulltrace.kube.resources.leases import KubeLeaseStore
from pulltrace.pulls.lease_format.annotations import PULL_PREFIX
from pulltrace.pulls.model import Layer, LayerState, NodeReport, Phase, Pull
from pulltrace.pulls.time_left import TimeLeft
from tests.agent.fleet import IMAGES, RESOLVE_SECONDS, UNPACK_SHARE

SERVICES, VERSIONS = 100, 5
"""A cluster pulls some hundreds of images again and again. With another image in each pull, the aggregator's memory of
names would grow for as long as a benchmark lasts.
"""
LAYERS = 10
LAYER_BYTES = 30_000_000
OFFERS_PER_SECOND = 400
"""Reports a second of all nodes. A real agent makes one or two a second; one process could not make so many."""
BATCH = 10


@dataclass(frozen=True)
class Write:
    """A write that the API server accepted."""

    at: float
    """The time of the writer's call, by the system's monotonic clock."""
    lasted: float
    node: str
    bytes: int
    version: str
    pulls: tuple[tuple[str, str, int], ...]
    """The running pulls in it: id, phase, downloaded bytes."""


@dataclass
class Traffic:
    """The agents' requests."""

    writes: list[Write] = field(default_factory=list)
    reads: int = 0
    too_many: int = 0
    """Answers with status 429."""
    other_errors: int = 0


class Pool:
    """`ApiClient` over some connections in turn; takes note of all that goes through."""

    def __init__(self, source: ConfigSource, traffic: Traffic, connections: int) -> None:
        self._turn = itertools.cycle([H11Client(source) for _ in range(connections)])
        self._traffic = traffic

    async def namespace(self) -> str | None:
        return None

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
        began = time.monotonic()
        try:
            status, answer = await next(self._turn).request(
                method, path, params=params, body=body, content_type=content_type, timeout_seconds=timeout_seconds
            )
        except ApiError as error:
            if error.status == 429:
                self._traffic.too_many += 1
            elif error.status == 404:  # before the first write
                self._traffic.reads += method == "GET"
            else:
                self._traffic.other_errors += 1
            raise
        except KubeError:
            self._traffic.other_errors += 1
            raise
        if method == "GET":
            self._traffic.reads += 1
        else:
            lasted = time.monotonic() - began
            version = answer["metadata"]["resourceVersion"]
            name, size = answer["metadata"]["name"], len(orjson.dumps(body))
            self._traffic.writes.append(Write(began, lasted, name, size, version, _pulls_of(body)))
        return status, answer


def _pulls_of(body: Any) -> tuple[tuple[str, str, int], ...]:
    found = []
    for key, text in (body["metadata"].get("annotations") or {}).items():
        if key.startswith(PULL_PREFIX) and text is not None:
            value = orjson.loads(text)
            found.append((key.removeprefix(PULL_PREFIX), value["phase"], value.get("done", 0)))
    return tuple(found)


@dataclass(frozen=True)
class Course:
    """One pull from its begin to its end."""

    id: str
    image: str
    tag: str
    begins_at: float
    """Unix seconds."""
    seconds: float

    @cached_property
    def digest(self) -> str:
        """That of the manifest: an image is the same on all nodes."""
        return sha256(f"{self.image}:{self.tag}".encode()).hexdigest()

    @property
    def ends_at(self) -> float:
        return self.begins_at + self.seconds

    def at(self, now: float) -> Pull:
        """Return the pull as an agent would report it."""
        download = self.seconds * (1 - UNPACK_SHARE) - RESOLVE_SECONDS
        part = min(max((now - self.begins_at - RESOLVE_SECONDS) / download, 0.0), 1.0)
        if now >= self.ends_at:
            phase = Phase.COMPLETED
        elif part == 1.0:
            phase = Phase.UNPACKING
        else:
            phase = Phase.DOWNLOADING if now - self.begins_at >= RESOLVE_SECONDS else Phase.RESOLVING
        layers = () if phase in {Phase.RESOLVING, Phase.COMPLETED} else tuple(self._layers(part))
        done = sum(layer.downloaded_bytes for layer in layers)
        total = LAYERS * LAYER_BYTES
        return Pull(
            id=self.id,
            phase=phase,
            started_at=self.begins_at,
            progressed_at=min(now, self.ends_at),
            ended_at=self.ends_at if phase is Phase.COMPLETED else None,
            repositories=() if phase is Phase.RESOLVING else (f"registry.example.com/{self.image}",),
            names=(f"registry.example.com/{self.image}:{self.tag}",) if phase is Phase.COMPLETED else (),
            target_digest="sha256:" + self.digest,
            total_bytes=None if phase is Phase.RESOLVING else total,
            downloaded_bytes=total if phase is Phase.COMPLETED else done,
            bytes_per_second=total / download if phase is Phase.DOWNLOADING else 0.0,
            time_left=TimeLeft.exactly(self.ends_at - now) if phase in {Phase.DOWNLOADING, Phase.UNPACKING} else None,
            layer_count=0 if phase is Phase.RESOLVING else LAYERS,
            layers_done=LAYERS if phase is Phase.COMPLETED else 0,
            layers=layers,
        )

    def _layers(self, part: float) -> Iterator[Layer]:
        """Return the layers of a pull; three of them move at a time."""
        for index in range(LAYERS):
            done = int(LAYER_BYTES * min(max((part * (LAYERS + 2) - index) / 3, 0.0), 1.0))
            state = LayerState.DOWNLOADED if done == LAYER_BYTES else LayerState.DOWNLOADING
            digest = f"sha256:{index:02x}{self.digest[2:]}"
            yield Layer(digest, LAYER_BYTES, done, LayerState.QUEUED if done == 0 else state)


class Node:
    """One node and its agent."""

    def __init__(self, number: int, pull_seconds: tuple[float, float]) -> None:
        self.number = number
        self.name = f"node-{number:05}"
        self._pull_seconds = pull_seconds
        self._courses: list[Course] = []
        self._ended: list[Pull] = []
        self._writer: LeaseWriter | None = None

    def start_pulls(self, now: float) -> None:
        """Start all images of a node at once, each at its own speed."""
        for number, service in enumerate(random.sample(range(SERVICES), IMAGES)):
            key, tag = f"{random.getrandbits(48):012x}", f"1.{random.randrange(VERSIONS)}"
            seconds = random.uniform(*self._pull_seconds)
            self._courses.append(Course(key, f"platform/service-{service}", tag, now + number * 0.1, seconds))

    def report(self, now: float) -> NodeReport:
        self._ended = [course.at(now) for course in self._courses if course.ends_at <= now] + self._ended
        self._courses = [course for course in self._courses if course.ends_at > now]
        self._ended = [pull for pull in self._ended if now - (pull.ended_at or now) < 1800][:60]
        return NodeReport(
            pulls=tuple(course.at(now) for course in self._courses if course.begins_at <= now),
            recent=tuple(self._ended),
            unpack_bytes_per_second=180e6,
        )

    @property
    def busy(self) -> bool:
        return bool(self._courses)

    def offer(self, now: float) -> None:
        if self._writer is not None:
            self._writer.offer(self.report(now))

    async def agent(self, store: KubeLeaseStore, spread_seconds: float, monotonic: Callable[[], float]) -> None:
        """Run an agent from its start: without pulls it waits for a random time, as `agent.run` does."""
        self._writer = None
        if not self.busy:
            await asyncio.sleep(random.uniform(0, spread_seconds))
        while True:
            try:
                record = await store.get(self.name)  # the Lease's content from before the restart
                break
            except KubeError:
                await asyncio.sleep(random.uniform(1, 2))
        known, holder = record.annotations if record is not None else {}, f"pulltrace-agent-{self.name}"
        self._writer = LeaseWriter(store, self.name, holder, None, known=known, monotonic=monotonic)
        self.offer(time.time())
        await self._writer.run()


class Nodes:
    """All nodes, of which the first `pulling` are kept busy."""

    def __init__(self, count: int, store: KubeLeaseStore, pull_seconds: tuple[float, float]) -> None:
        self.all = [Node(number, pull_seconds) for number in range(count)]
        self.pulling = 0
        self._store = store
        self._agents: list[asyncio.Task[None]] = []

    async def restart_agents(self, spread_seconds: float) -> None:
        await self.stop()
        now = asyncio.get_running_loop().time
        self._agents = [asyncio.create_task(node.agent(self._store, spread_seconds, now)) for node in self.all]

    async def stop(self) -> None:
        for agent in self._agents:
            agent.cancel()
        await asyncio.gather(*self._agents, return_exceptions=True)

    async def live(self) -> None:
        """Let the pulls progress: report each busy node as often as this process can, at most once a second."""
        while True:
            began = asyncio.get_running_loop().time()
            busy = [node for node in self.all if node.number < self.pulling or node.busy]
            for start in range(0, len(busy), BATCH):
                now = time.time()
                for node in busy[start : start + BATCH]:
                    if not node.busy and node.number < self.pulling:
                        node.start_pulls(now)
                    node.offer(now)
                await asyncio.sleep(BATCH / OFFERS_PER_SECOND)
            await asyncio.sleep(max(0.05, began + 1 - asyncio.get_running_loop().time()))
