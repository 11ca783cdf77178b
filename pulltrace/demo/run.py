"""`pulltrace demo`: the simulated cluster in real time, with an agent for each node and an aggregator.

Only nodes and pods are simulated, and Leases are in memory. Trackers, Lease writers, Lease format, correlation, store, event
stream and web UI are the real ones.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pulltrace.agent import run as agent_run
from pulltrace.aggregator import run as aggregator_run
from pulltrace.demo import warmup
from pulltrace.demo.cluster import SimulatedCluster
from pulltrace.demo.observation import SimulatedObserver
from pulltrace.kube.resources.in_memory import MemoryLeaseStore, MemoryStore
from pulltrace.kube.resources.kubelet_events import KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.settings.flags import AgentSettings, DemoSettings

REPORT_SECONDS = 1.0
ADVANCE_SECONDS = 0.25
CATCH_UP_SECONDS = 1.0
"""Maximum step of the cluster's time, so that the cluster catches up after a suspend without blocking the server."""
SEED = 1

KEPT_EVENTS = 1000

PodStore = MemoryStore[PodRecord]
EventStore = MemoryStore[KubeletEvent]


async def run(
    settings: DemoSettings, stop: asyncio.Event, listening: Callable[[int], None] = lambda port: None
) -> None:
    """Serve a simulated cluster until `stop` is set. Raises `AddressError`."""
    cluster = SimulatedCluster(SEED, time.time())
    leases, pods, events = MemoryLeaseStore(), PodStore(), EventStore()
    await warmup.write(cluster, time.time(), leases)
    apply_changes(cluster, pods, events)
    async with asyncio.TaskGroup() as tasks:
        simulation = tasks.create_task(_simulate(cluster, leases, pods, events))
        await aggregator_run.run(settings, leases, pods, stop, events=events, listening=listening)
        simulation.cancel()


def apply_changes(cluster: SimulatedCluster, pods: PodStore, events: EventStore) -> None:
    """Apply the changes of the cluster to the watched pods and Events."""
    for key, record in cluster.pod_changes():
        if record is None:
            pods.remove(key)
        else:
            pods.put(key, record)
    for event in cluster.events():
        events.put(f"{event.pod_uid} {event.container} {event.kind}", event)
        events.keep_newest(KEPT_EVENTS)


async def _simulate(cluster: SimulatedCluster, leases: MemoryLeaseStore, pods: PodStore, events: EventStore) -> None:
    """Advance the cluster with the clock, and start and stop agents."""
    agents: dict[str, asyncio.Task[None]] = {}
    async with asyncio.TaskGroup() as tasks:
        while True:
            now = time.time()
            cluster.advance(min(now, cluster.now + CATCH_UP_SECONDS))
            apply_changes(cluster, pods, events)
            for name, node in cluster.nodes.items():
                if not cluster.silent(name) and name not in agents:
                    agents[name] = tasks.create_task(_run_agent(name, SimulatedObserver(node), leases))
                elif cluster.silent(name) and name in agents:
                    agents.pop(name).cancel()
            behind = now - cluster.now > CATCH_UP_SECONDS
            await asyncio.sleep(0 if behind else ADVANCE_SECONDS)


async def _run_agent(node_name: str, observer: SimulatedObserver, leases: MemoryLeaseStore) -> None:
    settings = AgentSettings(node_name=node_name, report_interval_seconds=REPORT_SECONDS)
    await agent_run.report_pulls(
        settings, leases, f"pulltrace-agent-{node_name}", await leases.get(node_name), observer
    )
