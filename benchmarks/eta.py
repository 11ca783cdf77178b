"""How wrong is the time left? Real pulls on a real containerd, and what the Lease said of them meanwhile.

    sudo .venv/bin/python -m benchmarks.eta [--pulls 20] [--containerd 2.1]

Each pull is one of a varied set: sizes, numbers of layers, many small files (slow to unpack), two pulls that share the
link, a rate that changes in the middle. At 10, 25, 50, 75 and 90 % of each pull's real duration the time left that the
Lease gave is compared with what was really left. Beside it: the naive estimate, missing bytes by the mean rate so far.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from pulltrace.agent import run as agent_run
from pulltrace.kube.leases import Listed, Put
from pulltrace.kube.memory import MemoryLeaseStore
from pulltrace.pulls.annotations import decode
from pulltrace.pulls.model import Pull
from tests.cluster.containerd import Containerd, Options, Version
from tests.cluster.cri import pull_via_cri
from tests.cluster.images import Image, Publisher, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry

MB = 1_000_000
POINTS = (0.10, 0.25, 0.50, 0.75, 0.90)


@dataclass(frozen=True)
class Case:
    """One pull to time."""

    layers_mb: Sequence[int]
    rate_mb: float
    files: int = 1
    """In each layer: many make unpacking slow."""
    rate_after_mb: float | None = None
    """The link's rate from the middle of the pull on."""
    beside: bool = False
    """A second pull shares the link."""

    @property
    def kind(self) -> str:
        return "changing" if self.rate_after_mb else "shared" if self.beside else "steady"


CASES = (
    Case((60,), 6),
    Case((30, 20, 10), 5),
    Case((8,) * 8, 6),
    Case((2,) * 30, 5),
    Case((80, 1, 1, 1), 8),
    Case((20, 20, 20), 5, files=4000),
    Case((10, 40), 5, files=8000),
    Case((120,), 10),
    Case((5, 5, 5, 5, 40), 6, files=500),
    Case((25, 25), 2.5),
    Case((60,), 6, beside=True),
    Case((30, 20, 10), 6, beside=True),
    Case((8,) * 8, 6, beside=True),
    Case((40, 20), 8, files=2000, beside=True),
    Case((60,), 4, rate_after_mb=8),
    Case((60,), 8, rate_after_mb=4),
    Case((30, 30), 4, rate_after_mb=10),
    Case((10,) * 6, 8, rate_after_mb=3),
    Case((40, 20), 3, rate_after_mb=6),
    Case((100,), 12, rate_after_mb=6),
)


@dataclass
class Told:
    """What the Lease said of a pull, each with the time at which it was read."""

    reports: list[tuple[float, Pull]] = field(default_factory=list)

    def at(self, moment: float) -> Pull | None:
        """The newest report at a moment."""
        return next((pull for seen, pull in reversed(self.reports) if seen <= moment), None)


@dataclass(frozen=True)
class Sample:
    """The error at one point of one pull, as a part of what was really left."""

    case: Case
    point: float
    ours: float | None
    naive: float | None


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--pulls", type=int, default=len(CASES), help="how many of the cases")
    arguments.add_argument("--containerd", choices=("1.6", "2.1"), default="2.1")
    given = arguments.parse_args()
    version: Version = given.containerd
    samples: list[Sample] = []
    with Registry() as registry, Proxy(registry.url) as proxy:
        publisher = Publisher(registry.url)
        options = Options(registries={"registry.test": proxy.url})
        with Containerd(version, options=options) as containerd:
            store = MemoryLeaseStore()
            told: dict[str, Told] = {}
            settings = agent_run.AgentSettings("node-1", "benchmark", str(containerd.socket), "k8s.io", 1.0)
            tasks = [asyncio.create_task(agent_run.run(settings, store)), asyncio.create_task(listen(store, told))]
            for number, case in enumerate(CASES[: given.pulls], 1):
                image = push(publisher, f"case{number}", case)
                beside = push(publisher, f"beside{number}", Case((30, 30), 1)) if case.beside else None
                began, ended = await timed_pull(containerd, proxy, case, image, beside)
                reports = next(
                    (t for t in told.values() if t.reports[-1][1].target_digest == image.target_digest), None
                )
                print(f"{number:2} {case.kind:8} {image.size / MB:6.1f} MB {ended - began:6.1f} s", flush=True)
                if reports is not None:
                    samples += measure(case, reports, began, ended)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    show(samples, version)


def push(publisher: Publisher, name: str, case: Case) -> Image:
    layers = [
        random_layer(size * MB, seed=f"{name}-{number}", files=case.files) for number, size in enumerate(case.layers_mb)
    ]
    return publisher.push(name, layers, tags=("1",))


async def timed_pull(
    containerd: Containerd, proxy: Proxy, case: Case, image: Image, beside: Image | None
) -> tuple[float, float]:
    """When the pull began and ended, on the wall clock."""
    proxy.set_rate(case.rate_mb * MB)
    other = asyncio.create_task(pull_via_cri(containerd.socket, beside.ref)) if beside else None
    began = time.time()
    pull = asyncio.create_task(pull_via_cri(containerd.socket, image.ref))
    if case.rate_after_mb:
        await asyncio.sleep(image.size / (case.rate_mb * MB) / 2)
        proxy.set_rate(case.rate_after_mb * MB)
    await pull
    ended = time.time()
    if other is not None:
        await other
    return began, ended


async def listen(store: MemoryLeaseStore, told: dict[str, Told]) -> None:
    async for event in store.watch():
        records = event.items if isinstance(event, Listed) else (event.item,) if isinstance(event, Put) else ()
        for record in records:
            for pull in decode(record.annotations).pulls:
                told.setdefault(pull.id, Told()).reports.append((time.time(), pull))


def measure(case: Case, told: Told, began: float, ended: float) -> list[Sample]:
    samples = []
    for point in POINTS:
        moment = began + point * (ended - began)
        left = ended - moment
        pull = told.at(moment)
        ours = naive = None
        if pull is not None:
            said_at = next(seen for seen, one in told.reports if one is pull)
            if pull.seconds_left is not None:
                ours = (max(0.0, pull.seconds_left - (moment - said_at)) - left) / left
            if pull.total_bytes and pull.downloaded_bytes:
                mean = pull.downloaded_bytes / (said_at - began)
                naive = (max(0.0, (pull.total_bytes - pull.downloaded_bytes) / mean - (moment - said_at)) - left) / left
        samples.append(Sample(case, point, ours, naive))
    return samples


def show(samples: Sequence[Sample], version: Version) -> None:
    print(
        f"\ncontainerd {version}: median absolute error of the time left, as a part of what was really left (ours / naive)"
    )
    kinds = [kind for kind in ("steady", "shared", "changing") if any(s.case.kind == kind for s in samples)]
    print(f"{'':10}" + "".join(f"{f'{point:.0%}':>16}" for point in POINTS) + f"{'25-75 %':>16}")
    for kind in kinds:
        cells = [_cell([s for s in samples if s.case.kind == kind and s.point == point]) for point in POINTS]
        cells.append(_cell([s for s in samples if s.case.kind == kind and 0.25 <= s.point <= 0.75]))
        print(f"{kind:10}" + "".join(f"{cell:>16}" for cell in cells))
    missing = sum(s.ours is None for s in samples)
    print(f"no estimate at {missing} of {len(samples)} points (too early, or nothing moves)")


def _cell(samples: Sequence[Sample]) -> str:
    return " / ".join(_median([getattr(sample, name) for sample in samples]) for name in ("ours", "naive"))


def _median(errors: Sequence[float | None]) -> str:
    known = [abs(error) for error in errors if error is not None]
    return f"{statistics.median(known):.0%}" if known else "-"


if __name__ == "__main__":
    asyncio.run(main())
