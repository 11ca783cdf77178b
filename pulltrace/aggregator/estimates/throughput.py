"""How long nodes take for a byte of an image, from the question to the registry to the last layer unpacked. Pure.

One figure covers download and unpacking, which overlap in a way that only the agent sees while it happens. The best
source is what the node pulls now, then what it has pulled lately, then what is usual in the cluster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median, median_low

from pulltrace.pulls.download_rate import learned
from pulltrace.pulls.model import NodeReport, Phase, Pull

ENOUGH_BYTES = 1024 * 1024
"""A smaller pull says more of the registry's answer than of the link."""
RECENT_PULLS = 5
OLDER_WEIGHT = 0.25
"""A pull counts for so much less than the next newer one: a link's speed an hour ago says little of its speed now."""
USUAL_FOR_SECONDS = 10.0
"""How long the cluster's figure is good for: it is the median over all nodes."""
OWN_SPREAD, OTHERS_SPREAD = 1.3, 2.0
"""How far the next pull may be from the figure, in both directions: of this node, or of others."""
ANSWER_SECONDS = 0.2
"""From the question to the manifest, until something better is known: each pod of a roll-out asks again for what is
there, so ten pods on a node count ten of them."""
START_SECONDS = 1.5
"""From the last image to the moment when the API server reports that the pod runs, until something better is known: the
kubelet creates the container and writes its status. 0.5 to 2 s with ten pods starting at once on each of the tests' nodes."""
LONGEST_ANSWER_SECONDS = 3.0
"""A longer pull has downloaded something."""
POLL_SECONDS = 2.0
"""The agent may see the end of a pull so much later than the kubelet: it polls once a second, and may be late."""
LONGEST_START_SECONDS = 10.0
"""A pod that takes longer waits for something else than its containers' creation."""
MAX_VOICES = 32
"""Namespaces whose Events teach one duration of a node; the one that reported longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class SecondsPerByte:
    """Seconds for a byte."""

    likely: float
    fastest: float
    slowest: float


@dataclass(slots=True)
class LearnedDuration:
    """A duration that Events teach. Each namespace has one voice, since its authors of Events can invent any number."""

    assumed_seconds: float
    _voices: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        return median_low(self._voices.values()) if self._voices else self.assumed_seconds

    def learn(self, namespace: str, seconds: float) -> None:
        known = self._voices.pop(namespace, None)
        self._voices[namespace] = seconds if known is None else learned(known, seconds)
        if len(self._voices) > MAX_VOICES:
            del self._voices[next(iter(self._voices))]


@dataclass(slots=True)
class NodeThroughput:
    """What one node has taught."""

    recent: deque[tuple[float, int]]
    """Seconds and bytes of the last pulls."""
    answer: LearnedDuration = field(default_factory=lambda: LearnedDuration(ANSWER_SECONDS))
    """Of a pull whose image is present."""
    start: LearnedDuration = field(default_factory=lambda: LearnedDuration(START_SECONDS))
    """From a pod's last image to its status."""

    @property
    def seconds_per_byte(self) -> float:
        """The mean of the last pulls, the newer ones weighing more. There must be one."""
        weights = [OLDER_WEIGHT**age for age in reversed(range(len(self.recent)))]
        seconds = sum(weight * one for weight, (one, _) in zip(weights, self.recent, strict=True))
        return seconds / sum(weight * size for weight, (_, size) in zip(weights, self.recent, strict=True))


class Throughput:
    """The paces of all nodes; one that is gone is to be forgotten."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeThroughput] = {}
        self._usual: float | None = None
        self._usual_until = float("-inf")

    def learn_pull(self, node: str, pull: Pull) -> None:
        """Takes in a pull that has completed."""
        if pull.phase is Phase.COMPLETED and (pull.total_bytes or 0) >= ENOUGH_BYTES and pull.ended_at is not None:
            assert pull.total_bytes is not None
            known = self._node(node)
            seconds = pull.ended_at - pull.started_at - self.answer_seconds(node)
            if seconds > 0:
                known.recent.append((seconds, pull.total_bytes))

    def learn_answer(self, node: str, namespace: str, seconds: float, pulled: Iterable[Pull]) -> None:
        """Learn from how long a pull took, as its kubelet reported, if the image was on the node before.

        `pulled`: the completed pulls of this image on the node. Without one, the image may have come with this very
        pull: a small image on a fast link takes a second or two, and is no answer of a registry.
        """
        longest = max((pull.ended_at - pull.started_at for pull in pulled if pull.ended_at is not None), default=0.0)
        if seconds <= LONGEST_ANSWER_SECONDS and 3 * seconds + POLL_SECONDS <= longest:
            self._node(node).answer.learn(namespace, seconds)

    def learn_start(self, node: str, namespace: str, seconds: float) -> None:
        """Learn from how long a pod took to start once its images were present."""
        if seconds <= LONGEST_START_SECONDS:
            self._node(node).start.learn(namespace, seconds)

    def forget(self, node: str) -> None:
        self._nodes.pop(node, None)

    def answer_seconds(self, node: str) -> float:
        known = self._nodes.get(node)
        return known.answer.seconds if known is not None else ANSWER_SECONDS

    def start_seconds(self, node: str) -> float:
        known = self._nodes.get(node)
        return known.start.seconds if known is not None else START_SECONDS

    def of(self, node: str, report: NodeReport, reported_at: float | None, now: float) -> SecondsPerByte | None:
        """What the next byte takes on a node; None where nothing has been pulled anywhere.
        `reported_at`: the time of the report, on the node's clock.
        """
        own = _running(report.pulls, reported_at, self.answer_seconds(node))
        if own is None and (known := self._nodes.get(node)) is not None and known.recent:
            own = known.seconds_per_byte
        if own is None:
            rate = sum(pull.bytes_per_second for pull in report.pulls)
            unpack = report.unpack_bytes_per_second
            own = 1 / rate + (1 / unpack if unpack else 0.0) if rate > 0 else None
        if own is not None:
            return SecondsPerByte(own, own / OWN_SPREAD, own * OWN_SPREAD)
        usual = self._cluster(now)
        return SecondsPerByte(usual, usual / OTHERS_SPREAD, usual * OTHERS_SPREAD) if usual is not None else None

    def _node(self, node: str) -> NodeThroughput:
        return self._nodes.setdefault(node, NodeThroughput(deque(maxlen=RECENT_PULLS)))

    def _cluster(self, now: float) -> float | None:
        if now >= self._usual_until:
            paces = [known.seconds_per_byte for known in self._nodes.values() if known.recent]
            self._usual = median(paces) if paces else None
            self._usual_until = now + USUAL_FOR_SECONDS
        return self._usual


def _running(pulls: Iterable[Pull], reported_at: float | None, answer_seconds: float) -> float | None:
    """The pace of the largest running pull whose end can be told: all of its time for all of its bytes."""
    best: Pull | None = None
    for pull in pulls:
        known = pull.seconds_left is not None and (pull.total_bytes or 0) >= ENOUGH_BYTES
        if known and (best is None or (pull.total_bytes or 0) > (best.total_bytes or 0)):
            best = pull
    if best is None or best.seconds_left is None or not best.total_bytes or reported_at is None:
        return None
    seconds = max(0.0, reported_at - best.started_at - answer_seconds) + best.seconds_left
    return seconds / best.total_bytes if seconds > 0 else None
