"""Whether Pulltrace's processes hold the same after hours as after minutes: memory, open files, tasks.

    sudo .venv/bin/python -m benchmarks.soak [--hours 1] [--nodes 200] [--busy 50]

Real: etcd, kube-apiserver, one aggregator, and one agent on a containerd that pulls and removes small images without
end. The other agents are simulated, with the real Lease writer (`cluster_load_nodes`): some of them pull all the time.
Viewers of the event stream come and go, politely and not. Every ten seconds a sample is taken; at the end a line is
drawn through the samples after the warm-up. The exit code is 1 when a figure has grown faster than its bound.

The aggregator keeps history for two minutes here and not for thirty, so that it is full after the warm-up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.cluster_load import NAMESPACE, access_of, install
from benchmarks.cluster_load_nodes import Nodes, Pool, Traffic
from benchmarks.soak_slopes import HEAD, Sample, slopes
from pulltrace.kube.client.credentials import StaticConfig
from pulltrace.kube.resources.leases import KubeLeaseStore
from tests.cluster.containerd import Containerd, Options
from tests.cluster.control_plane import ControlPlane
from tests.cluster.cri import PullFailed, pull_via_cri, remove_via_cri
from tests.cluster.images import Publisher, random_layer
from tests.cluster.processes import Process
from tests.cluster.registry import Registry
from tests.real.programs import Server, in_pod, resident_mib

SAMPLE_SECONDS = 10.0
PRINT_SECONDS = 60.0
LEAST_SHARE = 0.75
"""A busy machine may keep an answer waiting for longer than 10 s; a line through fewer samples would be inexact."""
HISTORY_SECONDS = 120
WARM_UP_SECONDS = 900.0
"""History, the log of changes and each busy node's Lease are full after two minutes, and all images are known after
five. The memory that the C library keeps after it was freed grows for a quarter of an hour.
"""
PULL_SECONDS = (8.0, 22.0)
CONNECTIONS = 32
VIEWERS = 30
STAY_SECONDS = (1.0, 30.0)
NODE = "node-real"
BOUNDS = {
    "aggregator MiB": 12.0,
    "aggregator open files": 20.0,
    "aggregator tasks": 20.0,
    "aggregator threads": 2.0,
    "aggregator watch faults": 6.0,
    "agent MiB": 6.0,
    "agent open files": 4.0,
    "agent tasks": 4.0,
    "agent threads": 2.0,
}
"""Allowed growth of each in an hour."""


@dataclass
class Program:
    """A polled process."""

    process: Process
    tasks: Path

    def held(self, name: str) -> Iterator[tuple[str, float]]:
        pid = self.process.pid
        yield f"{name} MiB", resident_mib(pid)
        yield f"{name} open files", float(len(list(Path(f"/proc/{pid}/fd").iterdir())))
        yield f"{name} tasks", float(self.tasks.read_text(encoding="utf-8"))
        yield f"{name} threads", float(len(list(Path(f"/proc/{pid}/task").iterdir())))


def watched(folder: Path, name: str, argv: list[str], enter: tuple[str, ...] = ()) -> Program:
    """Start a program; `argv` begins with its name."""
    tasks = folder / f"{name}.tasks"
    return Program(
        Process([sys.executable, "-m", "benchmarks.soak_process", tasks, *argv], folder / f"{name}.log", enter=enter),
        tasks,
    )


async def pulls(containerd: Containerd, images: list[str]) -> None:
    """Pull small images on a node and remove them, again and again."""
    while True:
        image = random.choice(images)
        with suppress(PullFailed):
            await pull_via_cri(containerd.socket, image)
        await asyncio.sleep(random.uniform(0.2, 1.5))
        await remove_via_cri(containerd.socket, image)


async def viewer(url: str) -> None:
    """Open the page for a while, leave, and come back; now and then read all rows or the metrics."""
    await asyncio.sleep(random.uniform(*STAY_SECONDS))
    while True:
        stay = random.uniform(*STAY_SECONDS)
        with suppress(aiohttp.ClientError, TimeoutError):
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{url}/api/v1/pulls?limit=20") as answer:
                    await answer.read()
                async with asyncio.timeout(stay), session.get(f"{url}/api/v1/events?pods=true") as stream:
                    async for _ in stream.content.iter_any():
                        pass


async def soak(seconds: float, server: Server, programs: Mapping[str, Program]) -> list[Sample]:
    """Take the samples."""
    samples: list[Sample] = []
    began = printed_at = time.monotonic()
    polls = 0
    while (at := time.monotonic() - began) < seconds:
        polls += 1
        await asyncio.sleep(max(0.0, SAMPLE_SECONDS * polls - at))
        at = time.monotonic() - began
        held = {key: value for name, program in programs.items() for key, value in program.held(name)}
        try:
            counts = await asyncio.to_thread(server.metrics)
        except OSError as error:
            print(f"{at / 60:5.1f} min  no sample: {error}", flush=True)
            continue
        if "pulltrace_pulls_total" not in counts:  # on a busy machine a renewal of the lead may come too late
            print(f"{at / 60:5.1f} min  no sample: the aggregator does not lead", flush=True)
            continue
        restarts = {key: value for key, value in counts.items() if key.startswith("pulltrace_watch_restarts_total")}
        usual = sum(value for key, value in restarts.items() if '"ended"' in key or '"relist"' in key)
        held |= {"aggregator watch faults": sum(restarts.values()) - usual, "usual watch restarts": usual}
        held["pulls"] = counts["pulltrace_pulls_total"]
        held["viewers"] = counts["pulltrace_sse_clients_active"]
        samples.append(Sample(at, held))
        if time.monotonic() >= printed_at:
            printed_at += PRINT_SECONDS
            print(f"{at / 60:5.1f} min  " + ", ".join(f"{key} {value:g}" for key, value in held.items()), flush=True)
    if len(samples) < LEAST_SHARE * polls:
        raise RuntimeError(f"only {len(samples)} of {polls} samples could be taken")
    return samples


@asynccontextmanager
async def life(scene: Scene, count: int, busy: int) -> AsyncIterator[None]:
    """Run all that happens meanwhile."""
    nodes = Nodes(count, scene.store, PULL_SECONDS)
    nodes.pulling = busy
    await nodes.restart_agents(0)
    works = [nodes.live(), pulls(scene.containerd, scene.images)]
    works += [viewer(f"http://127.0.0.1:{scene.server.port}") for _ in range(VIEWERS)]
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
        for task in tasks:  # what has ended has failed: then nothing was measured
            if task.done():
                task.result()
                raise RuntimeError("a part of the soak has ended")
    finally:
        for task in tasks:
            task.cancel()
        await nodes.stop()


@dataclass(frozen=True)
class Scene:
    """All that runs."""

    server: Server
    programs: Mapping[str, Program]
    store: KubeLeaseStore
    containerd: Containerd
    images: list[str]


@contextmanager
def scene() -> Iterator[Scene]:
    with (
        tempfile.TemporaryDirectory() as name,
        ControlPlane() as control_plane,
        Registry() as registry,
        Containerd("2.1", options=Options(registries={"registry.test": registry.url})) as containerd,
    ):
        folder = Path(name)
        install(control_plane)
        publisher = Publisher(registry.url)
        images = [
            publisher.push(f"soak/{n}", [random_layer(200_000 * (1 + n % 5), seed=n)], index=bool(n % 2)).ref
            for n in range(20)
        ]
        control_plane.admin.create("/api/v1/nodes", {"metadata": {"name": NODE}})
        agents, aggregators = (
            control_plane.with_token(control_plane.token(NAMESPACE, f"pulltrace-{kind}", seconds=24 * 3600))
            for kind in ("agent", "aggregator")
        )
        kubeconfig = aggregators.write_kubeconfig(folder / "aggregator.kubeconfig")
        flags = ("--kubeconfig", kubeconfig, "--namespace", NAMESPACE, "--history-ttl", f"{HISTORY_SECONDS}s")
        server = Server("aggregator", folder, *flags)
        aggregator = watched(folder, "aggregator", server.process.argv[3:])
        server.process = aggregator.process
        agent_flags = ["--node-name", NODE, "--containerd-socket", str(containerd.socket), "--start-spread", "0s"]
        agent = watched(folder, "agent", ["agent", *agent_flags], in_pod(folder, agents, NAMESPACE))
        with server, agent.process:
            agent.process.wait_until(agent.tasks.exists, "the agent to run")
            store = KubeLeaseStore(Pool(StaticConfig(access_of(agents)), Traffic(), CONNECTIONS), NAMESPACE)
            programs = {"aggregator": aggregator, "agent": agent}
            yield Scene(server, programs, store, containerd, images)


async def run(given: argparse.Namespace) -> list[Sample]:
    with scene() as all_that_runs:
        async with life(all_that_runs, given.nodes, given.busy):
            return await soak(given.hours * 3600, all_that_runs.server, all_that_runs.programs)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--hours", type=float, default=1)
    arguments.add_argument("--nodes", type=int, default=200)
    arguments.add_argument("--busy", type=int, default=50, help="nodes that pull all the time")
    arguments.add_argument("--warm-up", type=float, default=WARM_UP_SECONDS, help="seconds that are ignored")
    given = arguments.parse_args()
    if given.hours * 3600 < given.warm_up + 3 * SAMPLE_SECONDS:
        arguments.error(f"{given.hours:g} hours are no longer than the warm-up of {given.warm_up:g} seconds")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is removed then, too
    logging.disable(logging.WARNING)
    samples = asyncio.run(run(given))
    folder = Path("artifacts")
    folder.mkdir(exist_ok=True)
    taken = [{"at": sample.at, **sample.held} for sample in samples]
    (folder / "soak.json").write_text(json.dumps(taken, indent=0), encoding="utf-8")
    found = slopes(samples, given.warm_up, BOUNDS)
    print("\n".join([HEAD, *map(str, found)]))
    return 0 if all(slope.flat for slope in found) else 1


if __name__ == "__main__":
    sys.exit(main())
