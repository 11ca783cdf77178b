"""Every report of the tracker on a real containerd, compared with the truth.

A `Watch` polls at a containerd as the agent does, only more often, and checks every report at once: no row
is wrong in name, size or layers, bytes move on only, what has ended stays as it ended. A test adds what only
it can know: how many pulls there are and how each of them ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from pulltrace.agent import tracker
from pulltrace.agent.run import run
from pulltrace.agent.tracker import TrackerState
from pulltrace.containerd.client import ContainerdError, connect
from pulltrace.containerd.observation import NodeObservation, Observer
from pulltrace.kube.resources.in_memory import MemoryLeaseStore
from pulltrace.pulls.lease_format.annotations import decode
from pulltrace.pulls.model import Layer, LayerState, NodeReport, Phase, Pull
from pulltrace.pulls.references import parse_reference
from pulltrace.settings.flags import AgentSettings
from tests.cluster.containerd import Containerd
from tests.cluster.cri import PullFailed, pull_via_cri
from tests.cluster.images import Image
from tests.cluster.processes import wait_until

NODE = "node-1"
NAMESPACE = "k8s.io"
POLL_SECONDS = 0.1

PHASES = (Phase.RESOLVING, Phase.DOWNLOADING, Phase.UNPACKING)
STATES = (
    LayerState.QUEUED,
    LayerState.DOWNLOADING,
    LayerState.DOWNLOADED,
    LayerState.UNPACKING,
    LayerState.DONE,
    LayerState.LAZY,
)
HERE = (LayerState.DOWNLOADED, LayerState.UNPACKING, LayerState.DONE, LayerState.CACHED)


class Watch:
    """The reports of the tracker on a containerd; each has been checked."""

    def __init__(self, containerd: Containerd, images: Iterable[Image] = (), *, layers_restart: bool = False) -> None:
        """`images`: all that may be pulled. `layers_restart`: a layer may be thrown away and begun again."""
        self.containerd = containerd
        self.images = {image.target_digest: image for image in images}
        self.layers_restart = layers_restart
        self.pause_seconds = POLL_SECONDS
        self.polls: list[tuple[float, NodeObservation]] = []
        self.reports: list[NodeReport] = []
        self.failures = 0
        self.state = TrackerState()
        self._polling: asyncio.Task[None] | None = None

    @property
    def report(self) -> NodeReport:
        return self.reports[-1] if self.reports else NodeReport()

    @property
    def ended(self) -> tuple[Pull, ...]:
        return self.report.recent

    def reports_of(self, pull_id: str) -> list[Pull]:
        """Return all reports of a pull while it ran."""
        return [pull for report in self.reports for pull in report.pulls if pull.id == pull_id]

    def end_of(self, image: Image) -> Pull:
        """Return the one ended pull of this image."""
        [pull] = [pull for pull in self.ended if pull.target_digest == image.target_digest]
        return pull

    async def wait_for(self, condition: Callable[[NodeReport], object], what: str, seconds: float = 30) -> NodeReport:
        """Return the first report, from now on, that fulfils the condition."""
        deadline, seen = time.monotonic() + seconds, len(self.reports) - 1
        while True:
            for report in self.reports[max(seen, 0) :]:
                if condition(report):
                    return report
            seen = len(self.reports)
            if self._polling is not None and self._polling.done():
                self._polling.result()
            assert time.monotonic() < deadline, f"waited for {what}; last report: {self.report}"
            await asyncio.sleep(POLL_SECONDS / 2)

    async def wait_for_ends(self, count: int, seconds: float = 60) -> tuple[Pull, ...]:
        """Return the ended pulls, once they are so many and none runs."""
        report = await self.wait_for(
            lambda report: len(report.recent) >= count and not report.pulls, f"{count} pulls to have ended", seconds
        )
        assert len(report.recent) == count
        return report.recent

    async def wait_for_bytes(self, count: int = 1, pulls: int = 1) -> NodeReport:
        """Return the report in which so many pulls have so many bytes."""
        return await self.wait_for(
            lambda report: sum(pull.downloaded_bytes >= count for pull in report.pulls) >= pulls, f"{count} bytes"
        )

    async def next_poll(self) -> None:
        """Wait for one more poll that begins from now on."""
        count = len(self.reports)
        await self.wait_for(lambda _: len(self.reports) > count + 1, "two polls")

    async def _poll(self) -> None:
        socket = Path(self.containerd.socket)
        async with connect(str(socket), NAMESPACE) as client:
            observer = Observer(client, lambda: socket.stat().st_mtime if socket.exists() else 0.0)
            while True:
                now = time.time()
                try:
                    observation = await observer.observe()
                except ContainerdError:
                    self.failures += 1
                else:
                    self._advance(observation, now)
                await asyncio.sleep(self.pause_seconds)

    def _advance(self, observation: NodeObservation, now: float) -> None:
        self.polls.append((now, observation))
        self.state = tracker.advance(self.state, observation, now, NODE)
        report = tracker.report(self.state)
        check_step(self.report, report, layers_restart=self.layers_restart)
        for pull in (*report.pulls, *report.recent):
            check_pull(pull)
            if pull.target_digest is not None:
                check_image(pull, self.images[pull.target_digest])
        self.reports.append(report)

    async def __aenter__(self) -> Self:
        self._polling = asyncio.create_task(self._poll())
        await self.next_poll()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._polling is not None
        self._polling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._polling


def check_pull(pull: Pull) -> None:
    """Check that a row does not contradict itself."""
    assert len({layer.digest for layer in pull.layers}) == len(pull.layers), pull
    assert 0 <= pull.downloaded_bytes <= (pull.total_bytes or 0), pull
    assert 0 <= pull.unpacked_bytes <= pull.downloaded_bytes, pull
    assert 0 <= pull.layers_done <= pull.layer_count, pull
    assert pull.bytes_per_second >= 0, pull
    assert pull.started_at <= pull.progressed_at <= (pull.ended_at or pull.progressed_at), pull
    assert pull.phase.ended == (pull.ended_at is not None), pull
    assert (pull.phase is Phase.COMPLETED) == bool(pull.names), pull
    for layer in pull.layers:
        check_layer(layer)
    if pull.layers:
        size, here = (
            sum(sizes) for sizes in zip(*((layer.size_bytes, layer.downloaded_bytes) for layer in pull.layers))
        )
        assert size == (pull.total_bytes or 0) + pull.cached_bytes + pull.lazy_bytes, pull
        assert here == pull.downloaded_bytes + pull.cached_bytes, pull
        assert len(pull.layers) == pull.layer_count, pull
        done = [layer for layer in pull.layers if layer.state.finished]
        assert len(done) == pull.layers_done, pull
    if pull.phase is Phase.UNPACKING:
        assert pull.downloaded_bytes == pull.total_bytes, pull
    if pull.phase is Phase.RESOLVING:
        assert (pull.total_bytes, pull.layers) == (None, ()), pull
    if pull.phase is Phase.COMPLETED:
        assert pull.downloaded_bytes == pull.unpacked_bytes == (pull.total_bytes or 0), pull
        assert pull.layers_done == pull.layer_count, pull


def check_layer(layer: Layer) -> None:
    assert 0 <= layer.downloaded_bytes <= layer.size_bytes, layer
    if layer.state in HERE:
        assert layer.downloaded_bytes == layer.size_bytes, layer
    if layer.state is LayerState.QUEUED:
        assert layer.downloaded_bytes == 0, layer


def check_step(before: NodeReport, after: NodeReport, *, layers_restart: bool = False) -> None:
    """From one report to the next, nothing goes back and nothing is lost."""
    ids = [pull.id for pull in (*after.pulls, *after.recent)]
    assert len(ids) == len(set(ids)), ids
    assert {pull.id for pull in (*before.pulls, *before.recent)} <= set(ids)
    known = {pull.id: pull for pull in before.recent}
    for pull in after.recent:
        assert known.get(pull.id, pull) == pull
    running = {pull.id: pull for pull in before.pulls}
    for pull in (*after.pulls, *after.recent):
        if (last := running.get(pull.id)) is not None:
            _check_progress(last, pull, layers_restart=layers_restart)


def _check_progress(last: Pull, pull: Pull, *, layers_restart: bool) -> None:
    assert pull.started_at == last.started_at
    assert pull.progressed_at >= last.progressed_at
    assert last.target_digest in (None, pull.target_digest), (last, pull)
    assert last.repositories in ((), pull.repositories), (last, pull)
    if last.total_bytes is not None:
        sizes = [(each.total_bytes, each.cached_bytes, each.layer_count) for each in (last, pull)]
        assert sizes[0] == sizes[1], (last, pull)
    if layers_restart:
        return
    assert pull.downloaded_bytes >= last.downloaded_bytes, (last, pull)
    assert pull.unpacked_bytes >= last.unpacked_bytes, (last, pull)
    assert pull.layers_done >= last.layers_done, (last, pull)
    if not pull.phase.ended:
        assert PHASES.index(pull.phase) >= PHASES.index(last.phase), (last, pull)
    for old, new in zip(last.layers, pull.layers):
        assert old.digest == new.digest
        assert (old.state is LayerState.CACHED) == (new.state is LayerState.CACHED), (old, new, pull)
        if old.state is not LayerState.CACHED:
            assert STATES.index(new.state) >= STATES.index(old.state), (old, new, pull)


def check_image(pull: Pull, image: Image) -> None:
    """Check that a row has the name, the layers and the size of its image."""
    if pull.repositories:
        assert parse_reference(image.ref).source in pull.repositories, pull
    if pull.total_bytes is not None:
        assert pull.total_bytes + pull.cached_bytes + pull.lazy_bytes == image.size, (pull, image)
        assert pull.layer_count == len({layer.digest for layer in image.layers}), (pull, image)
    if pull.layers:
        layers = dict.fromkeys((layer.digest, layer.size) for layer in image.layers)
        assert [(layer.digest, layer.size_bytes) for layer in pull.layers] == list(layers), (pull, image)
    for name in pull.names:
        assert name in {*image.refs, image.digest_ref}, (pull, image)


@asynccontextmanager
async def agent(
    containerd: Containerd, store: MemoryLeaseStore, start_spread_seconds: float = 0.0
) -> AsyncIterator[None]:
    """Run the agent's own loop in this process."""
    settings = AgentSettings(
        node_name=NODE,
        containerd_socket=str(containerd.socket),
        containerd_namespace=NAMESPACE,
        report_interval_seconds=POLL_SECONDS,
        start_spread_seconds=start_spread_seconds,
    )
    running = asyncio.create_task(run(settings, store, "agent-1"))
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def lease_report(store: MemoryLeaseStore, condition: Callable[[NodeReport], object], what: str) -> NodeReport:
    """Return the report in the node's Lease, once it fulfils the condition."""
    deadline = time.monotonic() + 30
    while True:
        record = await store.get(NODE)
        report = decode(record.annotations) if record is not None else NodeReport()
        if record is not None and condition(report):
            return report
        assert time.monotonic() < deadline, f"waited for {what}; the Lease has {report}"
        await asyncio.sleep(POLL_SECONDS / 2)


@asynccontextmanager
async def cri_pull(containerd: Containerd, ref: str) -> AsyncIterator[asyncio.Task[str]]:
    """Start a CRI pull in the background; cancel it with the block."""
    pull = asyncio.create_task(pull_via_cri(containerd.socket, ref))
    try:
        yield pull
    finally:
        pull.cancel()
        await asyncio.gather(pull, return_exceptions=True)


async def pull_all(containerd: Containerd, refs: Iterable[str]) -> list[PullFailed | None]:
    """Pull them all at once; for each what went wrong."""
    results = await asyncio.gather(*(pull_via_cri(containerd.socket, ref) for ref in refs), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, PullFailed):
            raise result
    return [result if isinstance(result, PullFailed) else None for result in results]


async def until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for something outside, without standing in the way of the watch."""
    await asyncio.to_thread(wait_until, condition, what, seconds=seconds)
