"""The error of the estimated time left. Real pulls on real containerds, and the reports of them in the Lease.

    sudo .venv/bin/python -m benchmarks.eta [--containerd 2.1]

Five images (one big layer, a few, many small ones, many files that are slow to unpack) over four links, each with a
containerd, an agent and a throttled registry of its own: two steady ones of different speed, one that changes in the
middle of each pull, and one with a second pull on it. Twenty pulls of 25 to 60 s, four at a time.

At 10, 25, 50, 75 and 90 % of each pull's real duration the time left that the Lease gave is compared with what was really
left. Beside it: the naive estimate, missing bytes by the mean rate so far. No estimate knows of a change before it happens. The
error of a perfect estimate is printed as the oracle's: the true bytes at the true present rate.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.eta_errors import Sample, Timed, measure, table
from pulltrace.agent import run as agent_run
from pulltrace.kube.resources.in_memory import MemoryLeaseStore
from pulltrace.kube.watch.watch_events import Replaced, Upserted
from pulltrace.pulls.lease_format.annotations import decode
from pulltrace.pulls.model import Pull
from pulltrace.settings.flags import AgentSettings
from tests.cluster.containerd import Containerd, Options, Version
from tests.cluster.cri import pull_via_cri
from tests.cluster.images import Image, Publisher, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry

MB = 1_000_000


@dataclass(frozen=True)
class Shape:
    """The layers of an image."""

    layers_mb: Sequence[int]
    files: int = 1
    """In each layer: many make unpacking slow."""

    @property
    def bytes(self) -> int:
        return sum(self.layers_mb) * MB


@dataclass(frozen=True)
class Link:
    """A node's link: as fast as makes a pull that is alone on it last `seconds`."""

    kind: str
    seconds: float
    factors: Sequence[float] = (1,)
    """The change of the rate in the middle of a pull, one pull after the other."""
    beside: bool = False
    """A second pull shares it."""


SHAPES = (
    Shape((100,)),
    Shape((45, 30, 15)),
    Shape((8,) * 12),
    Shape((30, 30, 30), files=4000),
    Shape((2,) * 25 + (40,), files=200),
)
BESIDE = Shape((30, 20))
LINKS = (
    Link("steady", 28),
    Link("steady", 42),
    Link("changing", 34, factors=(2, 0.5, 3, 0.4, 0.6)),
    Link("shared", 28, beside=True),
)


@dataclass
class Lane:
    """A link with its node."""

    number: int
    link: Link
    proxy: Proxy
    containerd: Containerd
    store: MemoryLeaseStore = field(default_factory=MemoryLeaseStore)
    reports: dict[str, list[tuple[float, Pull]]] = field(default_factory=dict)
    """Return the reports of each pull in the Lease, with the time of the read."""

    async def pull_all(self, images: Sequence[Image], beside: Sequence[Image]) -> list[Sample]:
        settings = AgentSettings(
            node_name=f"node-{self.number}",
            containerd_socket=str(self.containerd.socket),
            report_interval_seconds=1.0,
            start_spread_seconds=0.0,
        )
        reporting = asyncio.create_task(agent_run.run(settings, self.store, "benchmark"))
        tasks = [reporting, asyncio.create_task(self._listen())]
        samples = []
        for number, image in enumerate(images):
            factor = self.link.factors[number % len(self.link.factors)]
            timed = await self._timed(image, beside[number] if self.link.beside else None, factor)
            reports = next(
                reports for reports in self.reports.values() if reports[-1][1].target_digest == image.target_digest
            )
            print(f"{timed.kind:8} {image.size / MB:6.1f} MB {timed.ended - timed.began:6.1f} s", flush=True)
            samples += measure(timed, reports)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return samples

    async def _timed(self, image: Image, beside: Image | None, factor: float) -> Timed:
        rate = image.size / self.link.seconds
        self.proxy.set_rate(rate)
        other = asyncio.create_task(pull_via_cri(self.containerd.socket, beside.ref)) if beside else None
        began = time.time()
        pull = asyncio.create_task(pull_via_cri(self.containerd.socket, image.ref))
        changed = None
        if factor != 1:
            await asyncio.sleep(self.link.seconds / 2)
            self.proxy.set_rate(rate * factor)
            changed = time.time()
        await pull
        ended = time.time()
        if other is not None:
            await other
        return Timed(self.link.kind, began, ended, image.size, rate, changed, rate * factor)

    async def _listen(self) -> None:
        async for event in self.store.watch():
            records = (
                event.items if isinstance(event, Replaced) else (event.item,) if isinstance(event, Upserted) else ()
            )
            for record in records:
                for pull in decode(record.annotations).pulls:
                    self.reports.setdefault(pull.id, []).append((time.time(), pull))


def push(publisher: Publisher, name: str, shape: Shape) -> Image:
    layers = [
        random_layer(size * MB, seed=f"{name}-{number}", files=shape.files)
        for number, size in enumerate(shape.layers_mb)
    ]
    return publisher.push(name, layers, tags=("1",))


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--containerd", choices=("1.6", "2.1"), default="2.1")
    version: Version = arguments.parse_args().containerd
    with ExitStack() as stack:
        registry = stack.enter_context(Registry())
        publisher = Publisher(registry.url)
        with ThreadPoolExecutor(2) as pushing:
            images = list(pushing.map(lambda n: push(publisher, f"image{n}", SHAPES[n]), range(len(SHAPES))))
            beside = list(pushing.map(lambda n: push(publisher, f"beside{n}", BESIDE), range(len(SHAPES))))
        lanes = []
        for number, link in enumerate(LINKS):
            proxy = stack.enter_context(Proxy(registry.url))
            options = Options(registries={"registry.test": proxy.url})
            lanes.append(Lane(number, link, proxy, stack.enter_context(Containerd(version, options=options))))
        samples = [
            sample
            for some in await asyncio.gather(*(lane.pull_all(images, beside) for lane in lanes))
            for sample in some
        ]
    print(f"\ncontainerd {version}\n{table(samples)}")


if __name__ == "__main__":
    asyncio.run(main())
