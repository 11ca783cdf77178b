"""Resident memory of the agent during hours of pulls.

    sudo .venv/bin/python -m benchmarks.agent_memory [--minutes 60] [--containerd 2.1]

Three concurrent pulls of images of ten layers, which are removed after each pull. Each minute it prints the memory and
the number of pulls so far.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.node_cost import NAMESPACE, NODE, running_agent
from tests.cluster.containerd import Containerd, Options, Version
from tests.cluster.control_plane import ControlPlane
from tests.cluster.cri import pull_via_cri, remove_via_cri
from tests.cluster.images import Image, Publisher, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry
from tests.real.programs import resident_mib

MB = 1_000_000
IMAGES = 6


async def pull_again_and_again(containerd: Containerd, images: list[Image], ended: list[str], until: float) -> None:
    while time.monotonic() < until:
        for image in images:
            ended.append(await pull_via_cri(containerd.socket, image.ref))
            await remove_via_cri(containerd.socket, image.ref)


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=60)
    arguments.add_argument("--containerd", choices=("1.6", "2.1"), default="2.1")
    given = arguments.parse_args()
    version: Version = given.containerd
    with Registry() as registry, Proxy(registry.url) as proxy, ControlPlane() as control_plane:
        publisher = Publisher(registry.url)
        layers = [[random_layer(MB, seed=f"{n}-{i}") for i in range(10)] for n in range(IMAGES)]
        images = [publisher.push(f"memory{n}", layers[n], tags=("1",)) for n in range(IMAGES)]
        proxy.set_rate(6 * MB)
        control_plane.admin.create("/api/v1/nodes", {"metadata": {"name": NODE}})
        control_plane.create_service_account(NAMESPACE, "agent")
        with (
            Containerd(version, options=Options(registries={"registry.test": proxy.url})) as containerd,
            tempfile.TemporaryDirectory() as folder,
            running_agent(containerd, control_plane, Path(folder)) as agent,
        ):
            until = time.monotonic() + 60 * given.minutes
            ended: list[str] = []
            pulling = [
                asyncio.create_task(pull_again_and_again(containerd, images[n::3], ended, until)) for n in range(3)
            ]
            minute = 0
            while not all(task.done() for task in pulling):
                print(f"{minute:3} min {len(ended):5} pulls {resident_mib(agent.pid):6.1f} MiB", flush=True)
                await asyncio.wait(pulling, timeout=60)
                minute += 1
            await asyncio.gather(*pulling)
            print(f"end     {len(ended):5} pulls {resident_mib(agent.pid):6.1f} MiB", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
