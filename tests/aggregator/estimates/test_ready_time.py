"""When images and pods are ready: scenarios with figures that can be reckoned by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.aggregator.estimates.image_sizes import ImageSizes
from pulltrace.aggregator.estimates.pull_durations import PullDurations
from pulltrace.aggregator.estimates.pull_queue import build_queue
from pulltrace.aggregator.estimates.ready_time import image_times
from pulltrace.aggregator.estimates.throughput import SecondsPerByte
from pulltrace.aggregator.rows.correlation import correlate
from pulltrace.kube.resources.pending_pods import PodRecord, Role
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import PullView
from tests.aggregator.builders import pod_index as known
from tests.builders.events import kubelet_event
from tests.builders.pods import NODE, failing, pending_image, pod
from tests.builders.pulls import OTHER_DIGEST, START, pull, resolving

MB = 1_000_000
RATE = SecondsPerByte(1 / MB, 0.5 / MB, 2 / MB)
"""A megabyte a second; half of it or twice as much at the bounds."""


def sizes(**megabytes: int) -> ImageSizes:
    """Return sizes learned from other nodes, by repository; each with half as many cached bytes."""
    found = ImageSizes()
    for name, size in megabytes.items():
        full = f"docker.io/library/{name}:1"
        known_pull = pull(repositories=(), target_digest=None, total_bytes=size * MB, cached_bytes=size * MB // 2)
        found.learn(PullView("other", known_pull, full))
    return found


def left(
    pods: Sequence[PodRecord],
    *pulls: Pull,
    known_sizes: ImageSizes | None = None,
    rate: SecondsPerByte | None = RATE,
    slots: int = 1,
    age_seconds: float = 0.0,
    present: Sequence[str] = (),
    stale: bool = False,
    events: bool = True,
) -> dict[str, TimeLeft | None]:
    """By pod and container. Pods ask in the order in which they are given, a second apart."""
    requests = [
        kubelet_event(each.name, "", START + at, container=each.waiting[0].name)
        for at, each in enumerate(pods)
        if each.waiting[0].reason == "ContainerCreating"
    ]
    found = known(*pods, events=requests if events else ())
    waits = [one.pending for one in found.on_node(NODE).values()]
    rows = list(correlate(NODE, pulls, [wait for each in waits for wait in each], {}, slots).values())
    if stale:
        rows = [PullView(row.node, row.pull, row.image, row.candidates, row.waiting, stale=True) for row in rows]
    conditions = PullDurations(known_sizes or ImageSizes(), rate, START + 10, age_seconds, 1.0, slots, present)
    times = image_times(waits, build_queue(waits, rows, slots, events=events), conditions)
    return {key.removeprefix("shop/"): time for key, time in times.items()}


def likely(times: dict[str, TimeLeft | None]) -> dict[str, float | None]:
    return {key: round(time.likely, 3) if time is not None else None for key, time in times.items()}


def test_a_running_pull_ends_at_its_agents_estimate() -> None:
    """The agent's time left and its bounds, less the age of its report."""
    found = left([pod("a", "nginx:1")], pull(time_left=TimeLeft(40.0, 30.0, 60.0)), age_seconds=5)

    assert found == {"a/c0": TimeLeft(35.0, 25.0, 55.0)}


def test_an_image_in_the_queue_comes_after_what_is_in_front() -> None:
    """20 s for the pull that runs, then a second for the answer and 30 MB at a megabyte a second; at the latest
    with the layers that were cached elsewhere, and slowly.
    """
    found = left(
        [pod("a", "nginx:1"), pod("b", "redis:1")], pull(time_left=TimeLeft.exactly(20.0)), known_sizes=sizes(redis=30)
    )

    assert found["b/c0"] == TimeLeft(51.0, 36.0, 111.0)


def test_an_image_of_unknown_size_is_taken_for_a_usual_one_and_has_no_latest_end() -> None:
    """The likely size is the median; there is no upper bound."""
    found = left(
        [pod("a", "nginx:1"), pod("b", "redis:1")],
        pull(time_left=TimeLeft.exactly(20.0)),
        known_sizes=sizes(one=10, two=30, three=1000),
    )

    assert found["b/c0"] == TimeLeft(51.0, 21.0, None)


def test_another_image_of_the_repository_comes_before_the_median() -> None:
    """A release is usually as large as the one before."""
    learned = sizes(one=1000, two=1000)
    learned.learn(PullView("other", pull(total_bytes=5 * MB), "docker.io/library/nginx:0"))
    found = left(
        [pod("a", "redis:1"), pod("b", "nginx:1")],
        pull(repositories=("docker.io/library/redis",), time_left=TimeLeft.exactly(20.0)),
        known_sizes=learned,
    )

    assert likely(found)["b/c0"] == 26.0


def test_the_second_pod_with_an_image_costs_an_answer() -> None:
    """Ten pods of one image are one pull; each of the others asks the registry once more, one after another."""
    found = left([pod(name, "nginx:1") for name in "abcd"], pull(time_left=TimeLeft.exactly(20.0)))

    assert likely(found) == {"a/c0": 20.0, "b/c0": 21.0, "c/c0": 22.0, "d/c0": 23.0}


def test_an_image_that_is_on_the_node_waits_for_its_turn_all_the_same() -> None:
    """The kubelet was asked for it before it came; the pull in front has to end."""
    found = left(
        [pod("a", "nginx:1"), pod("b", "redis:1")],
        pull(time_left=TimeLeft.exactly(20.0)),
        present=["docker.io/library/redis:1"],
    )

    assert likely(found)["b/c0"] == 21.0


def test_the_images_of_a_pod_come_one_after_another_from_the_end_of_the_queue() -> None:
    """After its first image the pod goes behind the pods that have asked in the meantime."""
    found = left(
        [pod("a", "nginx:1", "postgres:1"), pod("b", "redis:1")],
        pull(time_left=TimeLeft.exactly(20.0)),
        known_sizes=sizes(redis=30, postgres=10),
    )

    assert likely(found) == {"a/c0": 20.0, "b/c0": 51.0, "a/c1": 62.0}


def test_an_init_container_leaves_the_latest_end_open() -> None:
    """Later images are pulled once it has ended, after an unknown time."""
    init = pending_image("nginx:1", "ContainerCreating", container="init", role=Role.INIT)
    found = left(
        [pod("a", "redis:1", waiting=[init])], pull(time_left=TimeLeft.exactly(20.0)), known_sizes=sizes(redis=30)
    )

    assert found["a/init"] == TimeLeft(20.0, 20.0, 20.0)
    assert found["a/c0"] == TimeLeft(51.0, 36.0, None)


def test_a_sidecar_leaves_it_closed() -> None:
    """A sidecar starts and the next image is pulled."""
    sidecar = pending_image("nginx:1", "ContainerCreating", container="proxy", role=Role.SIDECAR)
    found = left(
        [pod("a", "redis:1", waiting=[sidecar])], pull(time_left=TimeLeft.exactly(20.0)), known_sizes=sizes(redis=30)
    )

    assert found["a/c0"] == TimeLeft(51.0, 36.0, 111.0)


def test_an_init_container_that_runs_leaves_the_latest_end_open() -> None:
    """The kubelet has not asked for the image yet, and says that it initializes."""
    waiting = pending_image("redis:1", "PodInitializing", container="c")
    found = left([pod("a", waiting=[waiting])], known_sizes=sizes(redis=30))

    assert found["a/c"] == TimeLeft(31.0, 16.0, None)


def test_a_stalled_pull_and_the_images_behind_it_have_no_estimate() -> None:
    """Without a byte for ten seconds there is no end in sight."""
    stalled = pull(time_left=None, progressed_at=START - 5)
    found = left([pod("a", "nginx:1"), pod("b", "redis:1")], stalled, known_sizes=sizes(redis=30))

    assert found == {"a/c0": None, "b/c0": None}


def test_a_silent_agent_gives_no_estimate() -> None:
    """An old report gives no estimate."""
    assert left([pod("a", "nginx:1")], pull(time_left=TimeLeft.exactly(20.0)), stale=True) == {"a/c0": None}


def test_a_pull_that_has_just_begun_is_reckoned_by_its_size() -> None:
    """Before the agent can say anything: the answer and the bytes, less the ten seconds that it runs."""
    found = left([pod("a", "nginx:1")], pull(total_bytes=50 * MB, time_left=None, progressed_at=START + 9))

    assert likely(found) == {"a/c0": 41.0}


def test_a_pull_that_is_resolved_is_reckoned_by_what_others_know_of_it() -> None:
    """Another node has pulled the image."""
    found = left([pod("a", "nginx:1")], resolving(), known_sizes=sizes(nginx=50))

    assert likely(found) == {"a/c0": 41.0}


def test_a_failed_image_has_no_estimate() -> None:
    """The next try may fail as well. Others are not kept waiting by it."""
    found = left([failing("a", "redis:1", "no"), pod("b", "nginx:1")], pull(time_left=TimeLeft.exactly(20.0)))

    assert likely(found) == {"a/c0": None, "b/c0": 20.0}


def test_without_any_pull_in_the_cluster_no_image_has_an_estimate() -> None:
    """Without a pull there is no figure."""
    assert left([pod("a", "redis:1")], rate=None, known_sizes=sizes(redis=30)) == {"a/c0": None}


def test_parallel_pulls_do_not_wait_for_each_other() -> None:
    """With two slots the second image comes at once, the third after the first that ends."""
    found = left(
        [pod("a", "nginx:1"), pod("b", "redis:1"), pod("c", "postgres:1")],
        pull(time_left=TimeLeft.exactly(20.0)),
        known_sizes=sizes(redis=30, postgres=10),
        slots=2,
    )

    assert likely(found) == {"a/c0": 20.0, "b/c0": 31.0, "c/c0": 31.0}


def test_two_tags_with_uncertain_pulls_get_the_later_end() -> None:
    """Either may be the one that is waited for."""
    found = left(
        [pod("a", "nginx:1"), pod("b", "nginx:2")],
        pull(1, time_left=TimeLeft.exactly(20.0)),
        pull(2, target_digest=OTHER_DIGEST, time_left=TimeLeft.exactly(50.0)),
        slots=2,
    )

    assert likely(found) == {"a/c0": 50.0, "b/c0": 50.0}


@given(
    st.lists(st.tuples(st.sampled_from(["one", "two", "three", "four"]), st.integers(1, 3)), min_size=1, max_size=8),
    st.sampled_from(["one", "two", "five"]),
)
def test_another_pod_in_front_makes_no_pod_ready_earlier(pods: list[tuple[str, int]], more: str) -> None:
    """On a node that pulls one image at a time, ready times grow with the length of the queue."""
    learned = sizes(one=5, two=50, three=500, four=1, five=20)
    records = [
        pod(f"p{number}", *[f"{name}:1", "one:1", "three:1"][:count]) for number, (name, count) in enumerate(pods)
    ]
    first = left(records, pull(time_left=TimeLeft.exactly(3.0)), known_sizes=learned)
    longer = left([pod("p", f"{more}:1"), *records], pull(time_left=TimeLeft.exactly(3.0)), known_sizes=learned)

    for number, _ in enumerate(pods):
        for part in ("c0", "c1", "c2"):
            before, after = first.get(f"p{number}/{part}"), longer.get(f"p{number}/{part}")
            if before is None and after is None:
                continue
            assert before is not None
            assert after is not None
            assert after.likely >= before.likely - 1e-6 or (part != "c0" and more in {"one", "three"})


@pytest.mark.parametrize("phase", [Phase.UNPACKING, Phase.DOWNLOADING])
def test_bounds_enclose_what_is_likely(phase: Phase) -> None:
    """Soonest, likely and latest are in this order."""
    found = left(
        [pod(name, f"{name}:1") for name in "abc"],
        pull(phase=phase, time_left=TimeLeft.exactly(20.0)),
        known_sizes=sizes(a=1, b=9),
    )

    assert all(time is None or time.soonest <= time.likely <= (time.latest or 1e9) for time in found.values())
