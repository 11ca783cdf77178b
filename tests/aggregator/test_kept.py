"""What the aggregator keeps has an end, whatever comes and goes: nodes, pulls, images, registries, pods, Events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pulltrace.aggregator.estimates.image_sizes import Sizes
from pulltrace.aggregator.leader.event_planner import Announcer
from pulltrace.aggregator.metrics.active_pulls import Live
from pulltrace.aggregator.metrics.collectors import Metrics
from pulltrace.aggregator.metrics.gauges import Process
from pulltrace.aggregator.metrics.registry_baseline import Usual
from pulltrace.aggregator.pods.early_events import EarlyEvents
from pulltrace.aggregator.rows.node_rows import Lore
from pulltrace.aggregator.state.cluster_state import Cluster
from pulltrace.aggregator.state.pod_poller import Lookups
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.resources.kubelet_events import EventKind
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.kube.watch.watch_events import Gone, Listed, Put
from pulltrace.pulls.model import Phase, Pull
from tests.aggregator.census import census
from tests.builders.events import kubelet_event as asked
from tests.builders.leases import LeaseWriter as Writer
from tests.builders.pods import failing, pod
from tests.builders.pulls import START, pull
from tests.builders.pulls import ended as ended_pull

MIB = 1024 * 1024
HISTORY_SECONDS = 60.0
ROUND_SECONDS = 10.0
ENDED, RUNNING, STRANGERS = 36, 4, 30
"""In each round; strangers are pods of which only an Event tells."""
MOST_NAMES, MOST_EARLY_BYTES, MOST_CHANGES = 1000, 60_000, 1000
"""Lower limits than usual, for the test not to take a minute."""
ROUNDS_TO_FILL = 25
"""With a name of each ended pull, and two changes, the limits are reached before."""


class Silent:
    """An API server that does not answer who a pod is."""

    async def find(self, namespace: str, name: str) -> PodRecord | None:
        raise ApiUnreachable("gone")


class Churn:
    """An aggregator's parts, and a cluster in which nothing comes twice but the ids that nodes take from each other."""

    def __init__(self) -> None:
        self.now = 0.0
        self.round = 0
        self.store, self.writer = PullStore(MOST_CHANGES), Writer()
        self.cluster = Cluster(self.store, HISTORY_SECONDS)
        self.cluster._lore = Lore(Sizes(MOST_NAMES))
        self.cluster._pods.early = EarlyEvents(MOST_EARLY_BYTES)
        self.live, usual = Live(), Usual()
        process = Process(lambda: True, lambda: 0)
        self.metrics = Metrics(
            self.store, self.cluster, process, live=self.live, takers=(usual,), monotonic=lambda: self.now
        )
        self.announcer = Announcer(self.live, usual, 1000)
        self.lookups = Lookups(Silent(), self.cluster, lambda: self.now)
        self.cluster.lease_event(Listed(()), 0)
        self.cluster.pod_event(Listed(()), 0)
        self.cluster.kubelet_event(Listed(()), 0)

    def pulls(self) -> list[Pull]:
        """Each of an image and a registry of its own."""
        first = self.round * (ENDED + RUNNING)
        found = []
        for number in range(first, first + ENDED + RUNNING):
            repository = f"r{number}.example.com/app"
            made: Callable[..., Pull] = pull if number < first + RUNNING else ended_pull
            fields: dict[str, Any] = {
                "repositories": (repository,),
                "target_digest": f"sha256:{number:064x}",
                "total_bytes": 100 * MIB,
                "downloaded_bytes": 100 * MIB,
                "started_at": START + self.now,
            }
            if made is ended_pull:
                fields |= {"names": (f"{repository}:1",), "ended_at": START + self.now + 5}
            found.append(made(number, **fields))
        found[-1] = replace(found[-1], phase=Phase.FAILED, names=())  # and nobody says why
        return found

    def turn(self) -> None:
        """A node comes, pulls for some pods, and is gone with them in the next round."""
        node = f"node-{self.round}"
        running, ended = self.pulls()[:RUNNING], tuple(self.pulls()[RUNNING:])
        running.append(replace(running[0], id="0" * 12))  # the node before has a pull with this id
        self.tell(node, *running)
        for each in self.pods(self.round):
            self.cluster.pod_event(Put(each), self.now)
            self.hear(each, EventKind.PULLING)
        for number in range(STRANGERS):
            self.hear(pod(f"stranger-{self.round}-{number}", "a:1"), EventKind.FAILED)
        self.account()
        self.now += ROUND_SECONDS / 2
        self.tell(node, *running, recent=ended)
        self.account()
        self.now += ROUND_SECONDS / 2
        for each in self.pods(self.round - 1):
            self.hear(each, EventKind.PULLED, 'Successfully pulled image "a" in 1.2s (9s including waiting)')
            self.cluster.pod_event(Gone(each.key), self.now)
        self.cluster.lease_event(Gone(f"node-{self.round - 1}"), self.now)
        self.cluster.tick(self.now)
        self.account()
        self.round += 1

    def pods(self, number: int) -> list[PodRecord]:
        """In a namespace of their own: one for an image that is pulled, one that is queued, one that has failed."""
        first = f"r{number * (ENDED + RUNNING)}.example.com/app:1"
        pods = (
            pod(f"pod-{number}", first),
            pod(f"next-{number}", f"next-{number}.example.com/app:1"),
            failing(f"failing-{number}", f"failing-{number}.example.com/app:1", "manifest unknown: not found"),
        )
        return [replace(each, namespace=f"team-{number}", node=f"node-{number}") for each in pods]

    def hear(self, of: PodRecord, kind: EventKind, message: str = "") -> None:
        event = asked(of.name, of.waiting[0].image, START + self.now, kind=kind, message=message)
        event = replace(event, namespace=of.namespace, node=of.node)
        self.cluster.kubelet_event(Put(event), self.now)
        self.lookups.heard(event)

    def tell(self, node: str, *running: Pull, recent: tuple[Pull, ...] = ()) -> None:
        lease = self.writer.lease(*running, node=node, recent=recent, renewed_at=START + self.now)
        self.cluster.lease_event(Put(lease), self.now)

    def account(self) -> None:
        self.metrics.account.catch_up()
        self.announcer.due(self.now)

    def kept(self) -> Counter[str]:
        return census(
            lookups=self.lookups, announcer=self.announcer, metrics=self.metrics, live=self.live, cluster=self.cluster
        )


async def test_nothing_grows_without_end() -> None:
    """What is kept when all limits have been reached is what is kept after three times as much."""
    churn = Churn()
    for _ in range(ROUNDS_TO_FILL):
        churn.turn()
    await churn.lookups.look()
    full = churn.kept()
    for _ in range(2 * ROUNDS_TO_FILL):
        churn.turn()
    await churn.lookups.look()
    later = churn.kept()

    assert not {way: (full[way], count) for way, count in later.items() if count > 1.5 * full[way] + 2}
    for way, most in (
        ("_lore.sizes._sizes", MOST_NAMES),
        ("_pods.early._events", MOST_EARLY_BYTES // 650),
        ("_store._log", MOST_CHANGES),
    ):
        assert 0.95 * most <= later[f"cluster.{way}"] <= most  # so that the limits were tried
