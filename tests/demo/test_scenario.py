"""The scenario shows every kind of row, soon and for ever."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pulltrace.agent import tracker
from pulltrace.demo import warmup
from pulltrace.demo.cluster import SimulatedCluster
from pulltrace.demo.images import RECIPES, image
from pulltrace.demo.node import SimulatedPull
from pulltrace.demo.nodes import FASTEST, PARALLEL
from pulltrace.pulls.failures import Reason, classify
from pulltrace.pulls.model import LayerState, Phase, Pull
from tests.demo.clusters import ORIGIN, first_minutes

# Half an hour is simulated with coverage on: 20 to 40 s on two cores, by how busy they are.
pytestmark = pytest.mark.timeout(180)

HALF_AN_HOUR = 1800


@dataclass
class LongRun:
    """Half an hour: the cluster at its end, and the ended pulls of its trackers."""

    cluster: SimulatedCluster
    running: list[int]
    """How many pulls ran, each second since the page could be opened."""
    ended: dict[str, tuple[str, Pull]]
    """By pull, with the node."""


@pytest.fixture(scope="module")
def long_run() -> LongRun:
    run = LongRun(SimulatedCluster(1, ORIGIN), [], {})
    for states in warmup.replay(run.cluster, ORIGIN + HALF_AN_HOUR, poll_seconds=1.0):
        if run.cluster.now >= ORIGIN:
            run.running.append(sum(len(node.pulls) for node in run.cluster.nodes.values()))
        for name, state in states.items():
            run.ended.update((pull.id, (name, pull)) for pull in state.recent[:5] if pull.id not in run.ended)
    return run


def test_something_fails_with_the_message_of_the_registry() -> None:
    """From the first moment on, pods have the reasons why their images cannot be pulled."""
    waits = [wait for pod in first_minutes()[0].pods.values() for wait in pod.waiting if wait.message]
    reasons = {classify(wait.reason, wait.message or "") for wait in waits}

    assert reasons == {Reason.NOT_FOUND, Reason.INVALID_NAME, Reason.UNAUTHORIZED}


def test_something_stalls_for_a_minute_and_goes_on() -> None:
    """One pull downloads nothing for most of a minute, in front of the viewer, and has moved on two minutes later."""
    histories: dict[str, list[tuple[float, int]]] = {}
    for seen in first_minutes():
        for pull in (pull for pulls in seen.running.values() for pull in pulls if pull.phase is Phase.DOWNLOADING):
            histories.setdefault(pull.id, []).append((seen.after_seconds, pull.downloaded_bytes))
    stalled = {
        key
        for key, history in histories.items()
        for at, moved in history
        if (at + 45, moved) in history and history[-1][1] > moved
    }

    assert stalled


def test_something_queues() -> None:
    """Pods wait for images that their node has not begun to pull."""
    seen = first_minutes()[10]
    pulling = {pull.image.name for node in seen.cluster.nodes.values() for pull in node.pulls.values()}
    training = [pod for pod in seen.pods.values() if pod.node == "gpu-a100-01"]

    assert len(training) == 3
    assert len({wait.image for pod in training for wait in pod.waiting} - pulling) >= 2


def test_two_tags_of_one_repository_at_once() -> None:
    """On one node two pulls of one repository run at once, and pods wait for both tags."""
    together = [
        seen
        for seen in first_minutes()
        if [pull.repositories for pull in seen.running[PARALLEL]] == [("docker.io/vllm/vllm-openai",)] * 2
        and len({w.image for pod in seen.pods.values() if pod.node == PARALLEL for w in pod.waiting}) == 2
    ]

    assert len(together) > 60


def test_layers_are_cached() -> None:
    """Some running pull has layers that it need not download."""
    assert any(
        layer.state is LayerState.CACHED
        for pulls in first_minutes()[0].running.values()
        for pull in pulls
        for layer in pull.layers
    )


def test_an_agent_stops_reporting_during_a_pull_for_longer_than_its_lease_lasts() -> None:
    """Its last report has a running pull; the agent is back later."""
    cluster = SimulatedCluster(1, ORIGIN)
    silent: list[tuple[float, str]] = []
    for after in range(120):
        cluster.advance(ORIGIN + after)
        silent += [(after, name) for name in cluster.nodes if cluster.silent(name)]
    names = {name for _, name in silent}
    first, last = silent[0][0], silent[-1][0]
    [before] = [seen for seen in first_minutes() if seen.after_seconds == first - 0.5]

    assert len(names) == 1
    assert before.running[names.pop()]
    assert 50 < last - first < 118


def test_a_pull_without_pods() -> None:
    """A user pulls an image by hand: no pod waits for it."""
    assert any(
        seen.running[FASTEST] and not any(pod.node == FASTEST for pod in seen.pods.values()) for seen in first_minutes()
    )


def test_a_pod_needs_several_images() -> None:
    """A pod with an init container and a sidecar waits for three images."""
    assert any(len(pod.waiting) == 3 for seen in first_minutes() for pod in seen.pods.values())


def test_the_page_is_never_empty_and_never_too_full(long_run: LongRun) -> None:
    """Usually 6 to 12 pulls run, and at no time fewer than 3 or more than 14."""
    assert min(long_run.running) >= 3
    assert max(long_run.running) <= 14
    assert sum(6 <= count <= 12 for count in long_run.running) > 0.95 * len(long_run.running)


def test_big_pulls_take_minutes_and_small_ones_seconds(long_run: LongRun) -> None:
    """The image of nearly 6 GiB takes one to two minutes, where it has to be pulled whole."""
    cluster = long_run.cluster
    pytorch = image("pytorch", "2.4.0-cuda12.4-cudnn9-devel")
    whole = [
        (pull.ended_at or 0) - pull.started_at
        for node in cluster.nodes.values()
        for pull in node.ended
        if pull.image == pytorch and pull.total_bytes == pytorch.size_bytes
    ]

    assert len(whole) > 5
    assert all(50 < seconds < 130 for seconds in whole)


def test_the_same_seed_is_the_same_cluster() -> None:
    """Two runs are equal, with many advances or one."""
    often, seldom = SimulatedCluster(7, ORIGIN), SimulatedCluster(7, ORIGIN)
    for step in range(600):
        often.advance(ORIGIN + step / 5)
    seldom.advance(ORIGIN + 599 / 5)

    assert [list(map(_summary, node.ended)) for node in often.nodes.values()] == [
        list(map(_summary, node.ended)) for node in seldom.nodes.values()
    ]


def test_nothing_piles_up(long_run: LongRun) -> None:
    """After half an hour a node holds a few images and no pod has waited since the start."""
    cluster = long_run.cluster

    assert max(len(node.installed) for node in cluster.nodes.values()) < 12
    assert max(len(node.ingests) for node in cluster.nodes.values()) < 10


def test_trackers_report_the_truth(long_run: LongRun) -> None:
    """Over half an hour no row is wrong in name, size or outcome against what the nodes did."""
    truth = {
        tracker.pull_id(name, pull.lease_id, pull.started_at): pull
        for name, node in long_run.cluster.nodes.items()
        for pull in node.ended
    }
    wrong = [
        (name, found, truth[found.id]) for name, found in long_run.ended.values() if not _agrees(found, truth[found.id])
    ]

    assert len(long_run.ended) > 1000
    assert wrong == []


def test_every_image_of_the_catalogue_can_be_made() -> None:
    """Every recipe gives layers with digests of their own, on top of those of its base."""
    for name in RECIPES:
        made = image(name, "1")
        assert len({layer.digest for layer in made.layers}) == len(made.layers)
        assert all(layer.digest.startswith("sha256:") for layer in made.layers)


def _summary(pull: SimulatedPull) -> tuple[str, float, float | None, bool]:
    return pull.image.name, pull.started_at, pull.ended_at, pull.succeeded


def _agrees(found: Pull, real: SimulatedPull) -> bool:
    return (
        found.phase is (Phase.COMPLETED if real.succeeded else Phase.FAILED)
        and found.names[:1] == ((str(real.image.reference),) if real.succeeded else ())
        and found.total_bytes in {None, real.total_bytes}
    )
