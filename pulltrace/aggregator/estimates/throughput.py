"""How long nodes take for a byte of an image, from the request to the registry to the last unpacked layer. Pure.

One figure covers download and unpacking: they overlap in a way that only the agent sees. The best source is the node's
running pull, then its recent pulls, then the median of the cluster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median, median_low

from pulltrace.pulls.download_rate import smoothed
from pulltrace.pulls.model import NodeReport, Phase, Pull

MIN_BYTES = 1024 * 1024
"""The time of a smaller pull is mostly the registry's answer, not the link."""
RECENT_PULLS = 5
OLDER_WEIGHT = 0.25
"""Weight of a pull, relative to the next newer one: a link's rate an hour ago says little about its rate now."""
MEDIAN_HOLDS_SECONDS = 10.0
"""The cluster's median is computed again after so long."""
OWN_SPREAD, CLUSTER_SPREAD = 1.3, 2.0
"""Factor between the figure and the next pull, in both directions: for a node's own figure, and for the cluster's."""
ANSWER_SECONDS = 0.2
"""Assumed time from the request to the manifest. Each pod of a rollout requests an image that is present already, so
ten pods on a node take ten answers."""
START_SECONDS = 1.5
"""Assumed time from a pod's last image to the API server's report of the running pod: the kubelet creates the container
and writes its status. 0.5 to 2 s with ten pods that start at once on each of the tests' nodes."""
MAX_ANSWER_SECONDS = 3.0
"""A longer pull has downloaded something."""
POLL_SECONDS = 2.0
"""The agent may see the end of a pull so much later than the kubelet: it polls once a second, and may be late."""
MAX_START_SECONDS = 10.0
"""A pod that takes longer waits for something else than the creation of its containers."""
MAX_NAMESPACES = 32
"""Namespaces whose Events teach one duration of a node. The one with the oldest Event is forgotten first."""


@dataclass(frozen=True, slots=True)
class SecondsPerByte:
    """The inverse of a rate, with its range."""

    likely: float
    fastest: float
    slowest: float


@dataclass(slots=True)
class LearnedDuration:
    """A duration that Events teach: the median of one value a namespace, because authors of Events can forge values."""

    assumed_seconds: float
    _by_namespace: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return median_low(self._by_namespace.values()) if self._by_namespace else self.assumed_seconds

    def learn(self, namespace: str, seconds: float) -> None:
        known = self._by_namespace.pop(namespace, None)
        self._by_namespace[namespace] = seconds if known is None else smoothed(known, seconds)
        if len(self._by_namespace) > MAX_NAMESPACES:
            del self._by_namespace[next(iter(self._by_namespace))]


@dataclass(slots=True)
class NodeThroughput:
    """Figures learned from one node."""

    recent: deque[tuple[float, int]]
    """Seconds and bytes of the last pulls."""
    answer: LearnedDuration = field(default_factory=lambda: LearnedDuration(ANSWER_SECONDS))
    """Duration of a pull whose image is present."""
    start: LearnedDuration = field(default_factory=lambda: LearnedDuration(START_SECONDS))
    """From a pod's last image to its status."""

    @property
    def seconds_per_byte(self) -> float:
        """Weighted mean of the recent pulls, of which there must be one."""
        weights = [OLDER_WEIGHT**age for age in reversed(range(len(self.recent)))]
        seconds = sum(weight * one for weight, (one, _) in zip(weights, self.recent, strict=True))
        return seconds / sum(weight * size for weight, (_, size) in zip(weights, self.recent, strict=True))


class Throughput:
    """Figures of all nodes. The caller forgets nodes that are gone."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeThroughput] = {}
        self._median: float | None = None
        self._median_until = float("-inf")

    def learn_pull(self, node: str, pull: Pull) -> None:
        """Learn from an ended pull, if it completed."""
        if pull.phase is Phase.COMPLETED and (pull.total_bytes or 0) >= MIN_BYTES and pull.ended_at is not None:
            assert pull.total_bytes is not None
            known = self._node(node)
            seconds = pull.ended_at - pull.started_at - self.answer_seconds(node)
            if seconds > 0:
                known.recent.append((seconds, pull.total_bytes))

    def learn_answer(self, node: str, namespace: str, seconds: float, completed: Iterable[Pull]) -> None:
        """Learn the answer time from the kubelet's duration of a pull, if the image was on the node before.

        `completed`: the completed pulls of this image on the node. Without one, this very pull may have downloaded the
        image: a small image on a fast link takes a second or two.
        """
        longest = max((pull.ended_at - pull.started_at for pull in completed if pull.ended_at is not None), default=0.0)
        if seconds <= MAX_ANSWER_SECONDS and 3 * seconds + POLL_SECONDS <= longest:
            self._node(node).answer.learn(namespace, seconds)

    def learn_start(self, node: str, namespace: str, seconds: float) -> None:
        """Learn from the time that a pod took to start once its images were present."""
        if seconds <= MAX_START_SECONDS:
            self._node(node).start.learn(namespace, seconds)

    def forget(self, node: str) -> None:
        self._nodes.pop(node, None)

    def answer_seconds(self, node: str) -> float:
        known = self._nodes.get(node)
        return known.answer.seconds if known is not None else ANSWER_SECONDS

    def start_seconds(self, node: str) -> float:
        known = self._nodes.get(node)
        return known.start.seconds if known is not None else START_SECONDS

    def seconds_per_byte(
        self, node: str, report: NodeReport, reported_at: float | None, now: float
    ) -> SecondsPerByte | None:
        """Return the time that the next byte takes on a node; None while no node has pulled anything.

        `reported_at`: time of the report, on the node's clock.
        """
        own = _of_running(report.pulls, reported_at, self.answer_seconds(node))
        if own is None and (known := self._nodes.get(node)) is not None and known.recent:
            own = known.seconds_per_byte
        if own is None:
            rate = sum(pull.bytes_per_second for pull in report.pulls)
            unpack = report.unpack_bytes_per_second
            own = 1 / rate + (1 / unpack if unpack else 0.0) if rate > 0 else None
        if own is not None:
            return SecondsPerByte(own, own / OWN_SPREAD, own * OWN_SPREAD)
        usual = self._cluster_median(now)
        return SecondsPerByte(usual, usual / CLUSTER_SPREAD, usual * CLUSTER_SPREAD) if usual is not None else None

    def _node(self, node: str) -> NodeThroughput:
        return self._nodes.setdefault(node, NodeThroughput(deque(maxlen=RECENT_PULLS)))

    def _cluster_median(self, now: float) -> float | None:
        if now >= self._median_until:
            figures = [known.seconds_per_byte for known in self._nodes.values() if known.recent]
            self._median = median(figures) if figures else None
            self._median_until = now + MEDIAN_HOLDS_SECONDS
        return self._median


def _of_running(pulls: Iterable[Pull], reported_at: float | None, answer_seconds: float) -> float | None:
    """Return the figure of the largest running pull with an estimate: its whole time for all its bytes."""
    best: Pull | None = None
    for pull in pulls:
        known = pull.time_left is not None and (pull.total_bytes or 0) >= MIN_BYTES
        if known and (best is None or (pull.total_bytes or 0) > (best.total_bytes or 0)):
            best = pull
    if best is None or best.time_left is None or not best.total_bytes or reported_at is None:
        return None
    seconds = max(0.0, reported_at - best.started_at - answer_seconds) + best.time_left.likely
    return seconds / best.total_bytes if seconds > 0 else None
