"""The history before the page opens: the first steps of the scenario in quick motion, and the Leases after them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pulltrace.agent import tracker
from pulltrace.agent.write_schedule import PULLING_DURATION_SECONDS
from pulltrace.demo.cluster import SimulatedCluster
from pulltrace.demo.observation import SimulatedObserver
from pulltrace.kube.resources.leases import LeasePatch, LeaseWriting
from pulltrace.pulls.lease_format.annotations import encode

POLL_SECONDS = 0.5
"""Interval of polls, as in a real agent."""


class Trackers:
    """The trackers of all agents, without tasks and clocks."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self._observers = {name: SimulatedObserver(node) for name, node in cluster.nodes.items()}
        self.states: dict[str, tracker.TrackerState] = dict.fromkeys(cluster.nodes, tracker.TrackerState())

    def poll(self, cluster: SimulatedCluster) -> None:
        """Poll every node whose agent is not away."""
        for name, observer in self._observers.items():
            if not cluster.silent(name):
                self.states[name] = tracker.advance(self.states[name], observer.poll(), cluster.now, name)


def replay(
    cluster: SimulatedCluster, until: float, poll_seconds: float = POLL_SECONDS
) -> Iterator[Mapping[str, tracker.TrackerState]]:
    """Yield the states of all trackers after each poll, from the cluster's time to `until`."""
    trackers = Trackers(cluster)
    while cluster.now + poll_seconds <= until:
        cluster.advance(cluster.now + poll_seconds)
        trackers.poll(cluster)
        yield trackers.states


async def write(cluster: SimulatedCluster, until: float, leases: LeaseWriting) -> None:
    """Advance the cluster to `until` and write the Leases of that time."""
    states: Mapping[str, tracker.TrackerState] = {}
    for states in replay(cluster, until):  # noqa: B007 - the Leases get the last one
        pass
    for name, state in states.items():
        patch = LeasePatch(
            encode(tracker.report(state)), f"pulltrace-agent-{name}", cluster.now, PULLING_DURATION_SECONDS
        )
        await leases.patch(name, patch)
