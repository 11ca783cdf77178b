"""The load that Pulltrace puts on a cluster's API server, and the delay from an agent's write to a viewer.

    .venv/bin/python -m benchmarks.cluster_load [--nodes 5000] [--seconds 60] [--busy 500]

Real: etcd, kube-apiserver with the chart's rights and priority level, the aggregator's process, and in each simulated
node the agent's Lease writer. All agents run in one process and share a few connections and one token: one for each
would cost this machine more than the cluster. A node's report is a function of time. No policy ties an agent to its
node, and no pods exist. Kubelets renew their Leases, a third of the API server's capacity (or `--renewals` a second),
and are measured. In between, all agents pause for some seconds, their clocks too: those windows show the kubelets'
latencies without Pulltrace. etcd and kube-apiserver run on reserved cores (unless `--no-pin`). On the other cores,
agents and viewer have a lower priority, and kubelets a higher one.

At the end it prints the tables of docs/scale.md. Everything is on loopback and is removed at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.cluster_load_figures import (
    Before,
    Figures,
    LeaseBytes,
    Window,
    figures,
    lease_bytes,
    read_records,
    rejections,
)
from benchmarks.cluster_load_nodes import Nodes, Pool, Traffic
from benchmarks.cluster_load_served import Served, served
from benchmarks.cluster_load_tables import tables
from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.resources.leases import KubeLeaseStore
from tests.cluster import binaries
from tests.cluster.api import Identity
from tests.cluster.control_plane import ControlPlane, Options
from tests.cluster.processes import Process, run
from tests.real.programs import Server

NAMESPACE = "pulltrace"
CHART = Path(__file__).parent.parent / "deploy/helm/pulltrace"
TEMPLATES = ("apipriority", "agent/rbac", "agent/serviceaccount", "aggregator/rbac", "aggregator/serviceaccount")
CONNECTIONS = 64
CAPACITY_SECONDS = (5.0, 15.0)
"""Renewals are counted from the first to the second of these, after the creation of the Leases."""
START_SPREAD_SECONDS = 30.0
"""The agent's default."""
SLICE_SECONDS = 20.0
STILL_SECONDS = 8.0
"""Agents write for `SLICE_SECONDS`, pause for `STILL_SECONDS`, and so on."""
SETTLE_SECONDS = 1.5
FIRST = -10
"""Niceness of the API server, which has its own machine in a cluster, and of the kubelets, which are the gauge: a
kubelet that waits for a core would show as a slow API server. Needs root, otherwise 0.
"""
DOWN_SECONDS = 10.0
"""Downtime of the API server."""


class PausableLoop(asyncio.SelectorEventLoop):
    """An event loop whose time can be paused, so that nothing is overdue afterwards."""

    paused = 0.0

    def time(self) -> float:
        return super().time() - self.paused

    @contextmanager
    def still(self) -> Iterator[None]:
        """Pause the loop's time for the block."""
        began = super().time()
        yield
        self.paused += super().time() - began


def pause_agents() -> Window:
    """Pause, and return the measured window without agents."""
    began = time.monotonic()
    time.sleep(STILL_SECONDS)
    return Window(began + SETTLE_SECONDS, time.monotonic())


@dataclass
class Scene:
    """The running parts."""

    control_plane: ControlPlane
    aggregator: Server
    nodes: Nodes
    traffic: Traffic
    records: Path
    """The records of kubelets and viewer."""
    figures_of: dict[str, Figures] = field(default_factory=dict)
    """The phases so far, by the short names of the tables."""
    lease: LeaseBytes = field(default_factory=lambda: LeaseBytes(0, 0, 0, 0))

    @property
    def before(self) -> Before:
        return Before(self.control_plane, self.aggregator.process.pid, self.traffic)

    async def measure(self, key: str, name: str, seconds: float, *, alternating: bool = True) -> None:
        """Measure so many seconds of writing, with pauses in between."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, PausableLoop)
        before, active, still = await asyncio.to_thread(lambda: self.before), [], []
        counted: tuple[list[Served], list[Served]] = [], []
        left = seconds
        while left > 0:
            length = min(SLICE_SECONDS, left) if alternating else left
            left -= length
            served_before = await asyncio.to_thread(served, self.control_plane)
            await asyncio.sleep(SETTLE_SECONDS if alternating else 0)
            began = time.monotonic()
            await asyncio.sleep(length)
            active.append(Window(began, time.monotonic()))
            if alternating:
                before.pause()
                with loop.still():
                    served_between = served(self.control_plane)
                    counted[0].append(served_between.since(served_before))
                    still.append(pause_agents())
                    counted[1].append(served(self.control_plane).since(served_between))
                before.resume()
                await asyncio.sleep(SETTLE_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        self.figures_of[key] = await asyncio.to_thread(figures, name, before, active, still, counted, self.records)
        print(self.figures_of[key], flush=True)


async def phases(scene: Scene, seconds: float, busy: int, *, short: bool) -> None:
    """Run all phases; `short` ends before the restarts."""
    nodes, count = scene.nodes, len(scene.nodes.all)
    began = time.monotonic()
    await nodes.restart_agents(START_SPREAD_SECONDS)
    await scene.measure("start", "first start of all agents", START_SPREAD_SECONDS + 15, alternating=False)
    await scene.measure("idle", "idle", seconds)
    living = asyncio.create_task(nodes.live())
    nodes.pulling = busy
    await scene.measure("busy begin", f"{busy:,} nodes begin to pull", 30, alternating=False)
    await scene.measure("busy", f"{busy:,} nodes pulling", seconds)
    scene.lease = lease_bytes(scene.control_plane, NAMESPACE)
    print(scene.lease, flush=True)
    if not short:
        await upheavals(scene, seconds, busy, count)
    living.cancel()
    await nodes.stop()
    print(f"rejected requests by priority level since the API server was started: {rejections(scene.control_plane)}")
    print(f"{time.monotonic() - began:.0f} s in all; load average now {os.getloadavg()[0]:.1f}")


async def upheavals(scene: Scene, seconds: float, busy: int, count: int) -> None:
    """Run the restarts, and a pull on every node."""
    nodes, least = scene.nodes, max(seconds, START_SPREAD_SECONDS)
    await nodes.restart_agents(START_SPREAD_SECONDS)
    await scene.measure("restart", f"all agents restarted, {busy:,} pulling", least, alternating=False)
    await asyncio.to_thread(scene.control_plane.apiserver.kill)
    await asyncio.sleep(DOWN_SECONDS)
    await asyncio.to_thread(scene.control_plane.apiserver.start)
    await asyncio.to_thread(scene.control_plane.wait_until_ready)
    await scene.measure("back", f"API server back after {DOWN_SECONDS:g} s", seconds / 2, alternating=False)
    nodes.pulling = count
    await scene.measure("all begin", f"all {count:,} nodes begin to pull", seconds, alternating=False)
    await scene.measure("all", f"all {count:,} nodes pulling", seconds)


def install(control_plane: ControlPlane) -> None:
    """Install the chart's rights and priority level, and a user for the renewals of all simulated kubelets."""
    control_plane.create_service_account(NAMESPACE, "default")
    version = ("--kube-version", binaries.KUBERNETES.version, "--api-versions", "flowcontrol.apiserver.k8s.io/v1")
    sets = ("--set", "apiPriority.enabled=true", *version)
    shown = [word for name in TEMPLATES for word in ("--show-only", f"templates/{name}.yaml")]
    text = run([binaries.helm(), "template", "pulltrace", CHART, "--namespace", NAMESPACE, *sets, *shown])
    control_plane.kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=text)
    control_plane.create_service_account("kube-node-lease", "default")
    for kind, name, *more in (
        ("clusterrole", "kubelets", "--verb=get,create,update", "--resource=leases.coordination.k8s.io"),
        ("clusterrolebinding", "kubelets", "--clusterrole=kubelets", "--user=kubelets"),
    ):
        control_plane.kubectl("create", kind, name, *more)


def access_of(identity: Identity) -> RestConfig:
    certificate = identity.certificate
    return RestConfig(
        identity.url,
        f"Bearer {identity.token}" if identity.token else None,
        str(identity.authority),
        str(certificate.certificate) if certificate else None,
        str(certificate.key) if certificate else None,
    )


def other(records: Path, what: str, identity: Identity, *more: str, nice: int = 0) -> Process:
    """Return one of the processes of `cluster_load_others`."""
    access = access_of(identity)
    words = [access.base_url, access.ca_file or "", access.certificate_file or "", access.key_file or "", records]
    command = ["nice", "-n", str(nice), sys.executable, "-m", "benchmarks.cluster_load_others", what]
    return Process([*command, *map(str, words), *more], records.with_suffix(f".{what}.log"))


def capacity(folder: Path, identity: Identity) -> float:
    """Return how many renewals a second this API server answers without other load."""
    records = folder / "capacity"
    records.touch()
    begin, end = (time.monotonic() + seconds for seconds in CAPACITY_SECONDS)
    with other(records, "kubelets", identity, "0", nice=FIRST):
        time.sleep(CAPACITY_SECONDS[1])
    _, _, renewals, _ = read_records(records, begin, [Window(begin, end)])
    return len(renewals) / (end - begin)


def control_plane_cores() -> set[int]:
    """Return half of the cores, for etcd and kube-apiserver; none on a machine with one core."""
    cores = sorted(os.sched_getaffinity(0))
    return set(cores[: len(cores) // 2])


def pinned(cores: set[int], wanted: bool) -> tuple[str, ...]:  # noqa: FBT001
    """Return the start of a command that keeps to these cores; later commands without it keep to the others."""
    if not wanted or not cores:
        return ()
    # Before the first child is started: children inherit it, and so does the thread that starts them.
    os.sched_setaffinity(0, os.sched_getaffinity(0) - cores)
    return ("nice", "-n", str(FIRST), "taskset", "--cpu-list", ",".join(map(str, sorted(cores))))


@contextmanager
def scene(given: argparse.Namespace) -> Iterator[Scene]:
    options = Options(enter=pinned(control_plane_cores(), given.pin))
    with tempfile.TemporaryDirectory() as folder, ControlPlane(options=options) as control_plane:
        install(control_plane)
        records, traffic = Path(folder) / "records", Traffic()
        records.touch()
        agent = control_plane.with_token(control_plane.token(NAMESPACE, "pulltrace-agent", seconds=7200))
        aggregator = control_plane.with_token(control_plane.token(NAMESPACE, "pulltrace-aggregator", seconds=7200))
        kubeconfig = aggregator.write_kubeconfig(Path(folder) / "aggregator.kubeconfig")
        flags = ("--kubeconfig", kubeconfig, "--namespace", NAMESPACE, "--write-budget", str(given.budget))
        kubelets = control_plane.identity("kubelets", groups=["system:nodes"])
        renewals = given.renewals
        if renewals is None:
            most = capacity(Path(folder), kubelets)
            renewals = most / 3
            print(
                f"the API server answers {most:.0f} renewals a second; kubelets use a third of that",
                flush=True,
            )
        with (
            Server("aggregator", Path(folder), *flags) as server,
            other(records, "kubelets", kubelets, str(renewals), nice=FIRST),
            other(records, "viewer", control_plane.admin, NAMESPACE, f"http://127.0.0.1:{server.port}/api/v1/events", nice=given.nice),
        ):  # fmt: skip
            os.nice(given.nice)
            store = KubeLeaseStore(Pool(StaticConfig(access_of(agent)), traffic, CONNECTIONS), NAMESPACE)
            nodes = Nodes(given.nodes, store, (given.pull_seconds / 2, given.pull_seconds * 1.5))
            yield Scene(control_plane, server, nodes, traffic, records)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--nodes", type=int, default=5000)
    arguments.add_argument("--busy", type=int, default=500, help="nodes that pull before all of them do")
    arguments.add_argument("--seconds", type=float, default=60, help="length of each phase in seconds")
    arguments.add_argument(
        "--renewals",
        type=float,
        help="the kubelets' renewals a second (default: a third of the API server's capacity)",
    )
    arguments.add_argument("--budget", type=int, default=100, help="the aggregator's --write-budget")
    arguments.add_argument("--pull-seconds", type=float, default=180, help="how long a pull takes on average")
    arguments.add_argument("--short", action="store_true", help="only the phases before the restarts")
    arguments.add_argument("--nice", type=int, default=10, help="niceness of agents and viewer; 0 on a shared machine")
    arguments.add_argument(
        "--pin",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="reserve cores for etcd and kube-apiserver",
    )
    given = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # everything is removed then, too
    logging.disable(logging.WARNING)  # thousands of agents would log that the API server is down
    print(f"load average before: {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores", flush=True)
    with scene(given) as all_that_runs, asyncio.Runner(loop_factory=PausableLoop) as runner:
        runner.run(phases(all_that_runs, given.seconds, min(given.busy, given.nodes), short=given.short))
        print(f"\n{tables(all_that_runs.figures_of, all_that_runs.lease, given.budget)}")


if __name__ == "__main__":
    main()
