"""Observations written by hand for the tests of the tracker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pulltrace.agent import tracker
from pulltrace.agent.tracker import TrackerState
from pulltrace.containerd.observation import ImageRecord, LayerObservation, NodeObservation, PullObservation
from pulltrace.pulls.lease_format.annotations import decode, encode
from pulltrace.pulls.model import Pull

NODE = "node-1"
START = 1_000_000.0
MIB = 1024 * 1024
INDEX = "sha256:" + "f" * 64
OTHER = "sha256:" + "e" * 64
NAME = "docker.io/library/nginx:1.29"


def layer(digit: str, size_bytes: int = 100 * MIB, **seen: Any) -> LayerObservation:
    """Return a layer that is queued unless fields state otherwise."""
    return LayerObservation(f"sha256:{digit * 64}", size_bytes, **seen)


def arriving(digit: str, ingested_bytes: int, **seen: Any) -> LayerObservation:
    return layer(digit, ingested_bytes=ingested_bytes, **{"ingest_started_at": START + 1, **seen})


def stored(digit: str, at: float = START + 5, **seen: Any) -> LayerObservation:
    return layer(digit, stored_at=at, **seen)


def unpacked(digit: str, at: float = START + 6, **seen: Any) -> LayerObservation:
    return layer(digit, **{"stored_at": START + 5, "unpacked_at": at, **seen})


def resolving(lease: str = "lease-1", started_at: float = START) -> PullObservation:
    return PullObservation(lease, started_at)


def running(
    *layers: LayerObservation, lease: str = "lease-1", started_at: float = START, digest: str = INDEX, **seen: Any
) -> PullObservation:
    return PullObservation(
        lease,
        started_at,
        has_content=True,
        repositories=("docker.io/library/nginx",),
        index_digest=digest,
        layers=layers,
        **seen,
    )


def record(name: str = NAME, digest: str = INDEX, updated_at: float = START + 20) -> ImageRecord:
    return ImageRecord(name, digest, updated_at)


class PolledNode:
    """A node and the state of its tracker after each poll."""

    def __init__(self, state: TrackerState | None = None) -> None:
        self.state = state or TrackerState()

    def poll(self, now: float, *pulls: PullObservation, images: Sequence[ImageRecord] | None = None) -> PolledNode:
        """Poll once, `now` seconds after START."""
        observation = NodeObservation(pulls, None if images is None else tuple(images))
        self.state = tracker.advance(self.state, observation, START + now, NODE)
        return self

    @property
    def pulls(self) -> tuple[Pull, ...]:
        return tracker.report(self.state).pulls

    @property
    def pull(self) -> Pull:
        """The only running pull."""
        [pull] = self.pulls
        return pull

    @property
    def recent(self) -> tuple[Pull, ...]:
        return self.state.recent

    @property
    def ended(self) -> Pull:
        """The only ended pull."""
        [pull] = self.recent
        return pull


def likely(pull: Pull) -> float:
    assert pull.time_left is not None
    return pull.time_left.likely


def pulling_at_10_mib() -> PolledNode:
    node = PolledNode()
    for second in range(6):
        node.poll(second, running(arriving("a", 10 * second * MIB)))
    return node


def downloading() -> PolledNode:
    return PolledNode().poll(1, running(arriving("a", MIB), unpacked("b", at=START - 1, stored_at=START - 2)))


def after_a_quick_pull(node: PolledNode, now: float) -> PolledNode:
    """Return a poll before which a pull began and ended."""
    quick = running(unpacked("a", at=START + 20, stored_at=START + 19.5), lease=INDEX, started_at=START + 19)
    observation = NodeObservation((), (record(updated_at=START + 20),), unseen=(quick,))
    node.state = tracker.advance(node.state, observation, START + now, "node-1")
    return node


def restarted(node: PolledNode) -> PolledNode:
    """Another agent, which knows the Lease only."""
    return PolledNode(tracker.restore(decode(encode(tracker.report(node.state)))))
