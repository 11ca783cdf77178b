"""The simulated cluster: nodes, their kubelets, and what happens to them as time passes."""

from __future__ import annotations

from collections.abc import Iterator

from pulltrace.demo import nodes, scenario
from pulltrace.demo.images import image
from pulltrace.demo.kubelet import Kubelet
from pulltrace.demo.node import STEP_SECONDS, SimulatedNode
from pulltrace.demo.rollouts import Rollouts, Situation
from pulltrace.demo.scenario import Act, Clean, Deploy, Happening, PrePull, Silence, Withdraw
from pulltrace.kube.resources.kubelet_events import EventRecord
from pulltrace.kube.resources.pending_pods import PodRecord

KEPT_IMAGES = 4
KEPT_BIG_IMAGES = 2
"""Images of many GiB fill a disk soon."""
STEPS_BETWEEN_ROLLOUTS = 8


class SimulatedCluster:
    """Everything there is; the same for the same seed, origin and times."""

    def __init__(self, seed: int, origin: float) -> None:
        """`origin`: time zero of the first round; its first acts begin `PREPARATION_SECONDS` before."""
        self._origin = origin
        self._began_at = origin - scenario.PREPARATION_SECONDS
        self._steps = 0
        self.nodes = {machine.name: SimulatedNode(machine, self._began_at) for machine in nodes.MACHINES}
        self._kubelets = {
            name: Kubelet(node, KEPT_BIG_IMAGES if name in nodes.ACCELERATED else KEPT_IMAGES)
            for name, node in self.nodes.items()
        }
        self._rollouts = Rollouts(seed)
        self._round = 0
        self._acts: list[Act] = list(scenario.acts(0))
        self._silent_until: dict[str, float] = {}
        self._changes: list[tuple[str, PodRecord | None]] = []
        self._events: list[EventRecord] = []
        for name in nodes.WORKERS:
            for recipe, tag in (("nginx", "1.27.2"), ("python", "3.12-slim"), ("java", "21-jre")):
                self.nodes[name].preload(image(recipe, tag))

    @property
    def now(self) -> float:
        return self._began_at + self._steps * STEP_SECONDS

    def silent(self, node: str) -> bool:
        """Whether the node's agent is not there."""
        return self.now < self._silent_until.get(node, self.now)

    def pod_changes(self) -> list[tuple[str, PodRecord | None]]:
        """The pods that have changed since the last call, in order; None for one that does not wait any more."""
        changes, self._changes = self._changes, []
        return changes

    def events(self) -> list[EventRecord]:
        """What the kubelets have written since the last call, in order."""
        events, self._events = self._events, []
        return events

    def advance(self, now: float) -> None:
        """Lets time pass up to the last whole step before `now`."""
        while self.now + STEP_SECONDS <= now:
            for act in self._due_acts():
                self._do(act.what)
            if self._steps % STEPS_BETWEEN_ROLLOUTS == 0:
                for pod in self._rollouts.due(self._situation()):
                    self._kubelets[pod.node].add(pod)
            self._steps += 1
            for name, node in self.nodes.items():
                node.advance(self.now)
                self._kubelets[name].advance(self.now)
                self._changes.extend(self._kubelets[name].changes())
                self._events.extend(self._kubelets[name].events())

    def _due_acts(self) -> Iterator[Act]:
        if not self._acts:
            self._round += 1
            self._acts = list(scenario.acts(self._round))
        zero = self._origin + self._round * scenario.ROUND_SECONDS
        while self._acts and zero + self._acts[0].at <= self.now:
            yield self._acts.pop(0)

    def _do(self, what: Happening) -> None:
        match what:
            case Deploy(pod):
                self._kubelets[pod.node].add(pod)
            case Withdraw(pod):
                self._kubelets[pod.node].remove(pod.key)
            case PrePull(node, wanted):
                self.nodes[node].pull(wanted, 0.8)
            case Clean(node):
                needed = {container.image.name for pod in self._kubelets[node].starting for container in pod.containers}
                self.nodes[node].collect(needed)
            case Silence(node, seconds):
                self._silent_until[node] = self.now + seconds

    def _situation(self) -> Situation:
        idle = [name for name, kubelet in self._kubelets.items() if kubelet.idle]
        spoken_for = {act.what.pod.node for act in self._acts if isinstance(act.what, Deploy)}
        return Situation(
            running_pulls=sum(len(node.pulls) for node in self.nodes.values()),
            idle_workers=[name for name in idle if name in nodes.WORKERS],
            idle_accelerated=[name for name in idle if name in nodes.ACCELERATED and name not in spoken_for],
            big_pulls=sum(bool(self.nodes[name].pulls) for name in nodes.ACCELERATED),
        )
