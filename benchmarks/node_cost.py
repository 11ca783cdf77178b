"""The agent's cost for its node: its CPU and memory, and containerd's CPU with and without it.

    sudo .venv/bin/python -m benchmarks.node_cost [--seconds 60] [--containerd 2.1]

The agent runs as the process that it is on a node, against a real containerd and, for its Lease, a real API server. Four
measurements of the same length: containerd idle and while ten pulls run, each without the agent and with it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.containerd import Containerd, Options, Version
from tests.cluster.control_plane import ControlPlane
from tests.cluster.cri import pull_via_cri, remove_via_cri
from tests.cluster.images import Image, Publisher, random_layer
from tests.cluster.processes import Process, wait_until
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry
from tests.real.programs import agent as agent_process
from tests.real.programs import in_pod, resident_mib

MB = 1_000_000
PULLS = 10
LAYERS = 10
NODE = "node-1"
NAMESPACE = "pulltrace"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Parts of a core, in per cent."""

    containerd: float
    agent: float | None = None
    agent_mib: float | None = None

    def __str__(self) -> str:
        agent = "" if self.agent is None else f"   agent {self.agent:5.2f} % of a core, {self.agent_mib:.1f} MiB"
        return f"containerd {self.containerd:6.2f} % of a core{agent}"


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of a process up to now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def measure(seconds: float, containerd: Containerd, agent: Process | None) -> Cost:
    pids = [containerd.pid] + ([agent.pid] if agent else [])
    before, began = [cpu_seconds(pid) for pid in pids], time.monotonic()
    await asyncio.sleep(seconds)
    lasted = time.monotonic() - began
    used = [100 * (cpu_seconds(pid) - at) / lasted for pid, at in zip(pids, before, strict=True)]
    return Cost(used[0], used[1], resident_mib(agent.pid)) if agent else Cost(used[0])


async def while_pulling(seconds: float, containerd: Containerd, images: list[Image], agent: Process | None) -> Cost:
    """Measure while all images are being pulled; they last longer than the measurement."""
    pulls = [asyncio.create_task(pull_via_cri(containerd.socket, image.ref)) for image in images]
    await asyncio.sleep(2)
    cost = await measure(seconds, containerd, agent)
    if any(pull.done() for pull in pulls):
        print("  (some pulls ended before the measurement did: make --seconds smaller)")
    for pull in pulls:
        pull.cancel()
    await asyncio.gather(*pulls, return_exceptions=True)
    for image in images:
        await remove_via_cri(containerd.socket, image.ref)
    return cost


@contextmanager
def running_agent(containerd: Containerd, control_plane: ControlPlane, folder: Path) -> Iterator[Process]:
    """Run the agent with its token where a pod has it: a kubeconfig would load a library that a node never loads."""
    subject = {"kind": "ServiceAccount", "name": "agent", "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"metadata": {"name": "agent"}, "subjects": [subject], "roleRef": role}
    control_plane.admin.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    identity = control_plane.with_token(control_plane.token(NAMESPACE, "agent", node=NODE))
    flags = ("--node-name", NODE, "--containerd-socket", containerd.socket, "--start-spread", "0s")
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
    with agent_process(folder, in_pod(folder, identity, NAMESPACE), *flags) as agent:
        wait_until(lambda: control_plane.admin.get(lease)["items"], "the Lease", processes=[agent], seconds=60)
        yield agent


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=60, help="length of each of the four measurements")
    arguments.add_argument("--containerd", choices=("1.6", "2.1"), default="2.1")
    given = arguments.parse_args()
    version: Version = given.containerd
    rate = MB
    size = int(rate * (given.seconds + 10) / LAYERS)  # no pull ends in time, even if it gets the whole link
    with Registry() as registry, Proxy(registry.url) as proxy, ControlPlane() as control_plane:
        publisher = Publisher(registry.url)
        images = [
            publisher.push(f"cost{n}", [random_layer(size, seed=f"{n}-{i}") for i in range(LAYERS)], tags=("1",))
            for n in range(PULLS)
        ]
        proxy.set_rate(rate)
        control_plane.admin.create("/api/v1/nodes", {"metadata": {"name": NODE}})
        control_plane.create_service_account(NAMESPACE, "agent")
        options = Options(registries={"registry.test": proxy.url})
        with Containerd(version, options=options) as containerd, tempfile.TemporaryDirectory() as folder:
            print(
                f"containerd {version}, {given.seconds:g} s each; {PULLS} pulls of {LAYERS} layers at 1 MB/s together"
            )
            print(f"idle, no agent:    {await measure(given.seconds, containerd, None)}", flush=True)
            print(f"pulling, no agent: {await while_pulling(given.seconds, containerd, images, None)}", flush=True)
            with running_agent(containerd, control_plane, Path(folder)) as agent:
                await asyncio.sleep(3)
                print(f"idle, agent:       {await measure(given.seconds, containerd, agent)}", flush=True)
                print(f"pulling, agent:    {await while_pulling(given.seconds, containerd, images, agent)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
