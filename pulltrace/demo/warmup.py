"""What has happened before the page is opened: the first acts in quick motion, and what the agents wrote of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pulltrace.agent import tracker
from pulltrace.agent.write_schedule import PULLING_DURATION_SECONDS
from pulltrace.demo.cluster import SimulatedCluster
from pulltrace.demo.observation import SimulatedObserver
from pulltrace.kube.resources.leases import LeasePatch, LeaseWriting
from pulltrace.pulls.lease_format.annotations import encode

LOOK_SECONDS = 0.5
"""How often the agents look, as in life."""


class Trackers:
    """The trackers of all agents, without tasks and clocks."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self._observers = {name: SimulatedObserver(node) for name, node in cluster.nodes.items()}
        self.states: dict[str, tracker.TrackerState] = dict.fromkeys(cluster.nodes, tracker.TrackerState())

    def look(self, cluster: SimulatedCluster) -> None:
        """Every agent that is there looks at its node once."""
        for name, observer in self._observers.items():
            if not cluster.silent(name):
                self.states[name] = tracker.advance(self.states[name], observer.look(), cluster.now, name)


def replay(
    cluster: SimulatedCluster, until: float, look_seconds: float = LOOK_SECONDS
) -> Iterator[Mapping[str, tracker.TrackerState]]:
    """What the agents know after each of their looks, from the cluster's time to `until`."""
    trackers = Trackers(cluster)
    while cluster.now + look_seconds <= until:
        cluster.advance(cluster.now + look_seconds)
        trackers.look(cluster)
        yield trackers.states


async def write(cluster: SimulatedCluster, until: float, leases: LeaseWriting) -> None:
    """Brings the cluster to `until` and leaves in the Leases what the agents would have written."""
    states: Mapping[str, tracker.TrackerState] = {}
    for states in replay(cluster, until):  # noqa: B007 - the last one is what the Leases hold
        pass
    for name, state in states.items():
        patch = LeasePatch(
            encode(tracker.report(state)), f"pulltrace-agent-{name}", cluster.now, PULLING_DURATION_SECONDS
        )
        await leases.patch(name, patch)
