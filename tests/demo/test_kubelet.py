"""The simulated kubelet: the order of pulls, the queue, and the statuses of failures."""

from __future__ import annotations

import itertools

from pulltrace.demo.kubelet import Kubelet
from pulltrace.demo.node import Failure, SimulatedNode
from pulltrace.demo.pods import Container, Pod, Refusal
from pulltrace.kube.resources.kubelet_events import EventKind, KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord, Role
from pulltrace.pulls.view import Workload
from tests.demo.clusters import ORIGIN, image, node

SMALL = image("small:1", ("small", 4.0))
OTHER = image("other:1", ("other", 4.0))
NOT_FOUND = Failure("rpc error: code = NotFound desc = small:1: not found")


def pod(name: str, *containers: Container) -> Pod:
    return Pod("default", name, "node-1", Workload("default", "Pod", name), containers)


class Run:
    """A node and its kubelet, and the statuses of its pods."""

    def __init__(self, simulated: SimulatedNode | None = None) -> None:
        self.node = simulated or node()
        self.kubelet = Kubelet(self.node, keep_images=4)
        self.pods: dict[str, PodRecord] = {}
        self.reasons: list[str | None] = []
        self.events: list[KubeletEvent] = []
        self.most_pulls = 0

    def advance(self, until: float) -> None:
        while self.node.now < ORIGIN + until:
            self.node.advance(self.node.now + 0.125)
            self.kubelet.advance(self.node.now)
            self.most_pulls = max(self.most_pulls, len(self.node.pulls))
            self.events += self.kubelet.events()
            for key, record in self.kubelet.changes():
                if record is None:
                    del self.pods[key]
                else:
                    self.pods[key] = record
                    self.reasons += [wait.reason for wait in record.waiting[:1]]

    @property
    def pulled(self) -> list[str]:
        return [pull.image.name for pull in self.node.ended]


def test_one_image_at_a_time() -> None:
    """By default the second image and its pod wait until the first pull ends."""
    run = Run()
    run.kubelet.add(pod("a", Container("a", SMALL)))
    run.kubelet.add(pod("b", Container("b", OTHER)))
    run.advance(0.5)

    assert [pull.image for pull in run.node.pulls.values()] == [SMALL]
    assert set(run.pods) == {"default/a", "default/b"}
    run.advance(20)
    assert (run.most_pulls, run.pulled, run.pods) == (1, ["small:1", "other:1"], {})


def test_parallel_pulls() -> None:
    """A kubelet that may pull several images at once does."""
    run = Run(node(parallel_pulls=2))
    run.kubelet.add(pod("a", Container("a", SMALL)))
    run.kubelet.add(pod("b", Container("b", OTHER)))
    run.advance(20)

    assert run.most_pulls == 2


def test_a_present_image_is_not_pulled() -> None:
    """A second pod with the same image starts without a pull of its own."""
    run = Run()
    run.kubelet.add(pod("a", Container("a", SMALL)))
    run.kubelet.add(pod("b", Container("b", SMALL)))
    run.advance(20)

    assert run.pulled == ["small:1"]
    assert run.pods == {}


def test_init_containers_come_first() -> None:
    """The main image is pulled when the init container has run; until then both wait as PodInitializing."""
    run = Run()
    run.kubelet.add(pod("a", Container("setup", OTHER, Role.INIT, runs_seconds=5.0), Container("main", SMALL)))
    run.advance(0.5)
    waiting = run.pods["default/a"].waiting

    assert [(wait.name, wait.reason) for wait in waiting] == [("setup", "PodInitializing"), ("main", "PodInitializing")]
    run.advance(4)
    assert run.pulled == ["other:1"]
    assert [wait.name for wait in run.pods["default/a"].waiting] == ["main"]
    assert not run.node.pulls
    run.advance(20)
    assert run.pulled == ["other:1", "small:1"]


def test_failures_are_reported_and_retried_after_growing_pauses() -> None:
    """ErrImagePull with the registry's words, then ImagePullBackOff; the pauses double."""
    run = Run()
    run.kubelet.add(pod("a", Container("a", SMALL, fault=NOT_FOUND)))
    run.advance(4)
    failed = run.pods["default/a"].waiting[0]
    run.advance(10)
    backing_off = run.pods["default/a"].waiting[0]
    run.advance(120)
    starts = [pull.started_at - ORIGIN for pull in run.node.ended]
    pauses = [round(later - earlier - 3.5) for earlier, later in itertools.pairwise(starts)]

    assert (failed.reason, failed.message) == ("ErrImagePull", NOT_FOUND.message)
    assert backing_off.reason == "ImagePullBackOff"
    assert (backing_off.message or "").startswith('Back-off pulling image "small:1": ErrImagePull: rpc error')
    assert pauses == [10, 20, 40]
    assert run.reasons.count("ErrImagePull") == len(starts)


def test_a_passing_failure_passes() -> None:
    """A connection that broke once does not break the next try."""
    run = Run()
    run.kubelet.add(pod("a", Container("a", SMALL, fault=Failure("reset", after_fraction=0.5))))
    run.advance(30)

    assert [pull.succeeded for pull in run.node.ended] == [False, True]
    assert run.pods == {}


def test_a_deleted_pod_is_not_waited_for() -> None:
    """A pod that is deleted leaves the queue; the pull that runs goes on."""
    run = Run()
    run.kubelet.add(pod("a", Container("a", SMALL)))
    run.kubelet.add(pod("b", Container("b", OTHER)))
    run.advance(0.5)
    run.kubelet.remove("default/a")
    run.kubelet.remove("default/b")
    run.advance(20)

    assert run.pulled == ["small:1"]
    assert run.pods == {}


def summary(run: Run) -> list[tuple[str, EventKind, int]]:
    return [(event.pod, event.kind, event.count) for event in run.events]


def test_events_follow_the_order_of_the_queue() -> None:
    """Both pods request the image before its pull ends; the second one needs no pull."""
    run = Run()
    run.kubelet.add(pod("a", Container("a", SMALL)))
    run.kubelet.add(pod("b", Container("b", SMALL)))
    run.advance(20)

    assert summary(run) == [
        ("a", EventKind.PULLING, 1), ("b", EventKind.PULLING, 1), ("a", EventKind.PULLED, 1), ("b", EventKind.PULLED, 1)
    ]  # fmt: skip
    assert run.events[0].at == int(ORIGIN)


def test_events_count_tries() -> None:
    """A try that fails again is the same Event with a greater count."""
    run = Run()
    run.kubelet.add(pod("a", Container("a", SMALL, fault=NOT_FOUND)))
    run.advance(20)

    assert summary(run) == [
        ("a", EventKind.PULLING, 1), ("a", EventKind.FAILED, 1), ("a", EventKind.PULLING, 2), ("a", EventKind.FAILED, 2)
    ]  # fmt: skip


def test_a_refused_image_is_never_pulled() -> None:
    """The status has the reason at once, for good."""
    run = Run()
    run.kubelet.add(pod("a", Container("a", SMALL, fault=Refusal("InvalidImageName", "no name"))))
    run.advance(60)
    [wait] = run.pods["default/a"].waiting

    assert (wait.reason, wait.message, run.pulled) == ("InvalidImageName", "no name", [])


def test_a_deleted_pod_ends_before_it_is_gone() -> None:
    """As on the API server: a last change, then the deletion."""
    kubelet = Kubelet(node(), keep_images=4)
    kubelet.add(pod("a", Container("a", SMALL)))
    list(kubelet.changes())
    kubelet.remove("default/a")
    (_, ending), (_, gone) = kubelet.changes()

    assert ending is not None
    assert (ending.ending, ending.waiting, gone) == (True, (), None)
