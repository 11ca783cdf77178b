"""Simulated nodes and clusters for tests, and small images to pull."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from pulltrace.demo import warmup
from pulltrace.demo.cluster import SimulatedCluster
from pulltrace.demo.images import MIB, Image, ImageLayer, digest
from pulltrace.demo.node import Machine, SimulatedNode
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.pulls.model import Pull

ORIGIN = 1_700_000_000.0


def node(link_mib: float = 8.0, unpack_mib: float = 16.0, parallel_pulls: int = 1) -> SimulatedNode:
    return SimulatedNode(Machine("node-1", link_mib, unpack_mib, parallel_pulls), ORIGIN)


def image(name: str, *layers: tuple[str, float]) -> Image:
    """Return an image of layers with name and size in MiB; equal names at the bottom are equal layers."""
    made, below = [], ""
    for layer, mib in layers:
        below = f"{below}/{layer}"
        made.append(ImageLayer(digest(f"layer {layer}"), digest(f"chain {below}"), int(mib * MIB)))
    return Image(name, tuple(made))


@dataclass(frozen=True)
class Seen:
    """The state at one moment of a run."""

    after_seconds: float
    cluster: SimulatedCluster
    pods: dict[str, PodRecord]
    running: dict[str, tuple[Pull, ...]]
    """The tracker's pulls, by node."""


@functools.cache
def first_minutes() -> tuple[Seen, ...]:
    """Return the first two minutes, polled every half second."""
    cluster = SimulatedCluster(1, ORIGIN)
    pods: dict[str, PodRecord] = {}
    seen = []
    for states in warmup.replay(cluster, ORIGIN + 120):
        for key, record in cluster.pod_changes():
            if record is None:
                pods.pop(key, None)
            else:
                pods[key] = record
        running = {name: tuple(t.pull for t in state.running.values()) for name, state in states.items()}
        seen.append(Seen(cluster.now - ORIGIN, cluster, dict(pods), running))
    return tuple(moment for moment in seen if moment.after_seconds >= 0)
