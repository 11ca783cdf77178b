"""The simulated cluster: nodes, their kubelets, and the steps of the scenario."""

from __future__ import annotations

from collections.abc import Iterator

from pulltrace.demo import nodes, scenario
from pulltrace.demo.images import image
from pulltrace.demo.kubelet import Kubelet
from pulltrace.demo.node import TICK_SECONDS, SimulatedNode
from pulltrace.demo.rollouts import Rollouts, Situation
from pulltrace.demo.scenario import Action, Clean, Deploy, PrePull, Silence, Step, Withdraw
from pulltrace.kube.resources.kubelet_events import KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord

KEPT_IMAGES = 4
KEPT_BIG_IMAGES = 2
"""Images of many GiB fill a disk quickly."""
TICKS_BETWEEN_ROLLOUTS = 8


class SimulatedCluster:
    """The whole cluster; the same seed, origin and times give the same cluster."""

    def __init__(self, seed: int, origin: float) -> None:
        """Start `PREPARATION_SECONDS` before `origin`, time zero of the first round."""
        self._origin = origin
        self._started_at = origin - scenario.PREPARATION_SECONDS
        self._ticks = 0
        self.nodes = {machine.name: SimulatedNode(machine, self._started_at) for machine in nodes.MACHINES}
        self._kubelets = {
            name: Kubelet(node, KEPT_BIG_IMAGES if name in nodes.ACCELERATED else KEPT_IMAGES)
            for name, node in self.nodes.items()
        }
        self._rollouts = Rollouts(seed)
        self._round = 0
        self._pending_steps: list[Step] = list(scenario.steps(0))
        self._silent_until: dict[str, float] = {}
        self._changes: list[tuple[str, PodRecord | None]] = []
        self._events: list[KubeletEvent] = []
        for name in nodes.WORKERS:
            for recipe, tag in (("nginx", "1.27.2"), ("python", "3.12-slim"), ("java", "21-jre")):
                self.nodes[name].preload(image(recipe, tag))

    @property
    def now(self) -> float:
        return self._started_at + self._ticks * TICK_SECONDS

    def silent(self, node: str) -> bool:
        """Return whether the node's agent is away."""
        return self.now < self._silent_until.get(node, self.now)

    def pod_changes(self) -> list[tuple[str, PodRecord | None]]:
        """Return the changed pods since the last call, in order; None for a pod that waits no longer."""
        changes, self._changes = self._changes, []
        return changes

    def events(self) -> list[KubeletEvent]:
        """Return the Events of the kubelets since the last call, in order."""
        events, self._events = self._events, []
        return events

    def advance(self, now: float) -> None:
        """Advance to the last whole tick before `now`."""
        while self.now + TICK_SECONDS <= now:
            for step in self._next_steps():
                self._do(step.action)
            if self._ticks % TICKS_BETWEEN_ROLLOUTS == 0:
                for pod in self._rollouts.next_pods(self._situation()):
                    self._kubelets[pod.node].add(pod)
            self._ticks += 1
            for name, node in self.nodes.items():
                node.advance(self.now)
                self._kubelets[name].advance(self.now)
                self._changes.extend(self._kubelets[name].changes())
                self._events.extend(self._kubelets[name].events())

    def _next_steps(self) -> Iterator[Step]:
        if not self._pending_steps:
            self._round += 1
            self._pending_steps = list(scenario.steps(self._round))
        zero = self._origin + self._round * scenario.ROUND_SECONDS
        while self._pending_steps and zero + self._pending_steps[0].at <= self.now:
            yield self._pending_steps.pop(0)

    def _do(self, action: Action) -> None:
        match action:
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
        reserved = {step.action.pod.node for step in self._pending_steps if isinstance(step.action, Deploy)}
        return Situation(
            running_pulls=sum(len(node.pulls) for node in self.nodes.values()),
            idle_workers=[name for name in idle if name in nodes.WORKERS],
            idle_accelerated=[name for name in idle if name in nodes.ACCELERATED and name not in reserved],
            big_pulls=sum(bool(self.nodes[name].pulls) for name in nodes.ACCELERATED),
        )
