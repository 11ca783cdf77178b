"""Which Kubernetes Events are planned, and their messages. Writing them is in test_event_publisher.py."""

from __future__ import annotations

from typing import Any

import pytest

from pulltrace.aggregator.leader.event_planner import EventPlanner
from pulltrace.aggregator.metrics.active_pulls import ActivePulls
from pulltrace.aggregator.metrics.registry_baseline import RegistryBaseline
from pulltrace.kube.resources.event_recorder import KubernetesEvent
from pulltrace.pulls.model import Phase
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import Ahead, NeedState, PodState, PodView, PullView
from tests.aggregator.builders import store_of
from tests.builders.pulls import MIB, START
from tests.builders.views import image_need, running_view, time_left, waiting_containers, waiting_pod


class Scene:
    """Pulls and pods, in steps of time; the budget is ten Events a second."""

    def __init__(self, *pods: PodView, pulls: tuple[PullView, ...] = (), per_second: float = 10) -> None:
        self.active, self.baseline = ActivePulls(), RegistryBaseline()
        self.planner = EventPlanner(self.active, self.baseline, per_second)
        self.now = 0.0
        self.set(*pods, pulls=pulls)
        assert self.planner.plan(0) == []

    def set(self, *pods: PodView, pulls: tuple[PullView, ...] = ()) -> None:
        snapshot = store_of(pulls, pods).snapshot()
        for consumer in (self.active, self.baseline):
            consumer.reset(snapshot, self.now)

    def after(self, seconds: float, *, silent: bool = False, **arguments: Any) -> list[KubernetesEvent]:
        """Return the Events of each second until then; each pull with a rate gets a byte each second."""
        events = []
        for _ in range(round(seconds)):
            self.now += 1
            for pull in self.active.running.values():
                if pull.view.pull.bytes_per_second > 0 and not silent:
                    pull.progressed_at = self.now
            events += self.planner.plan(self.now, **arguments)
        return events


def test_the_first_event_comes_after_ten_seconds() -> None:
    """Not before, since most pulls are over by then; with all that a person asks."""
    waiting_pods = waiting_containers("web-1", "web-2", "web-3")
    scene = Scene(waiting_pod(), pulls=(running_view(waiting=waiting_pods, time_left=TimeLeft.exactly(20.0)),))

    assert scene.after(9) == []
    assert scene.after(1) == [
        KubernetesEvent(
            "shop", "web-1", "uid-web-1", "ImagePullProgress",
            "docker.io/library/nginx:1.27 is 61 % pulled (412 MiB of 675 MiB, 34 MiB/s), about 20 s left; "
            "2 other pods wait for it",
            field_path="spec.containers{web}",
        )
    ]  # fmt: skip


def test_a_changed_message_is_written_again() -> None:
    """After 15 s, and not at all while the text is the same."""
    scene = Scene(waiting_pod(), pulls=(running_view(),))
    assert len(scene.after(10)) == 1

    scene.set(waiting_pod(), pulls=(running_view(downloaded_bytes=500 * MIB),))
    assert scene.after(14) == []
    assert len(scene.after(1)) == 1
    assert scene.after(60) == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"phase": Phase.RESOLVING, "total_bytes": None, "downloaded_bytes": 0},
            "docker.io/library/nginx:1.27 is being resolved; its size is unknown",
        ),
        (
            {"phase": Phase.UNPACKING, "downloaded_bytes": 675 * MIB, "time_left": TimeLeft.exactly(65.0)},
            "docker.io/library/nginx:1.27 is downloaded (675 MiB) and being unpacked, about 1 min 05 s left",
        ),
        (
            {"bytes_per_second": 0.0, "waiting": waiting_containers("web-1", "web-2")},
            "docker.io/library/nginx:1.27 is 61 % pulled (412 MiB of 675 MiB); 1 other pod waits for it",
        ),
    ],
)
def test_each_phase_has_its_message(fields: dict[str, Any], text: str) -> None:
    """Unknown values are left out."""
    [event] = Scene(waiting_pod(), pulls=(running_view(**fields),)).after(10)

    assert event.note == text


def test_the_pods_own_estimate_counts_down() -> None:
    """The message counts from now, not from the time of the estimate."""
    [event] = Scene(waiting_pod("web-1", image_need(left=time_left(50))), pulls=(running_view(),)).after(10)

    assert event.note.endswith(", about 40 s left")


def test_a_queued_image_names_the_image_before_it() -> None:
    """With how many more, where, and how long it will take."""
    behind = (Ahead("redis:8", f"{2:012x}"), Ahead("postgres:17"), Ahead("golang:1.25"))
    scene = Scene(waiting_pod("web-1", image_need(NeedState.QUEUED, behind=behind, left=time_left(100))))

    assert scene.after(9) == []
    [event] = scene.after(1)
    assert (event.reason, event.warning) == ("ImagePullQueued", False)
    assert event.note == (
        "docker.io/library/nginx:1.27 waits behind docker.io/library/redis:8 and 2 other images on node-1, "
        "about 1 min 30 s left"
    )


def test_each_reason_has_its_own_interval() -> None:
    """The 15 s are for each reason; those before the first progress count from the pull's own begin."""
    queued = waiting_pod("web-1", image_need(NeedState.QUEUED))
    scene = Scene(queued)
    scene.after(12)
    scene.set(waiting_pod(), pulls=(running_view(),))

    assert scene.after(9) == []
    assert [event.reason for event in scene.after(1)] == ["ImagePullProgress"]


def test_a_stalled_pull_is_a_warning() -> None:
    """After half a minute without a byte, with how long, instead of the progress."""
    still = running_view(bytes_per_second=0.0)
    events = Scene(waiting_pod(), pulls=(still,)).after(45)

    assert [(event.reason, event.warning) for event in events] == [
        ("ImagePullProgress", False),
        ("ImagePullStalled", True),
        ("ImagePullStalled", True),
    ]
    assert events[1].note == (
        "docker.io/library/nginx:1.27 is stalled: no data for 30 s; 61 % pulled (412 MiB of 675 MiB)"
    )
    assert "45 s" in events[2].note


def completed(count: int, seconds: float = 20.0) -> tuple[PullView, ...]:
    """Return completed pulls of 675 MiB each."""
    done: dict[str, Any] = {"downloaded_bytes": 675 * MIB, "ended_at": START + seconds}
    return tuple(running_view(100 + number, Phase.COMPLETED, **done) for number in range(count))


def test_much_slower_than_usual_is_a_warning() -> None:
    """A fifth of what half of this registry's pulls got, after a minute."""
    slow = running_view(bytes_per_second=1.5 * MIB, downloaded_bytes=67 * MIB)
    events = Scene(waiting_pod(), pulls=(slow, *completed(5))).after(60)

    assert (events[-1].reason, events[-1].warning) == ("ImagePullSlow", True)
    assert events[-1].note == (
        "docker.io/library/nginx:1.27 is slow: 1.5 MiB/s on node-1, 34 MiB/s is usual for docker.io; "
        "9 % pulled (67 MiB of 675 MiB)"
    )


@pytest.mark.parametrize(
    "pulls",
    [
        (running_view(bytes_per_second=1.5 * MIB), *completed(4)),
        (running_view(bytes_per_second=1.5 * MIB), running_view(2, bytes_per_second=30.0 * MIB), *completed(5)),
        (running_view(bytes_per_second=10.0 * MIB), *completed(5)),
    ],
    ids=["too few to compare with", "shares its node's link", "not slow enough"],
)
def test_slow_has_limits(pulls: tuple[PullView, ...]) -> None:
    """A warning that is wrong is worse than none."""
    events = Scene(waiting_pod(), pulls=pulls).after(120)

    assert {event.reason for event in events} == {"ImagePullProgress"}


@pytest.mark.parametrize(
    "pod",
    [
        waiting_pod("web-1", image_need(NeedState.NEEDED)),
        waiting_pod("web-1", image_need(NeedState.FAILED), state=PodState.FAILING),
        waiting_pod("web-1", image_need(pull_id="ffffffffffff")),
        waiting_pod("web-1", image_need(NeedState.QUEUED, behind=())),
        waiting_pod(state=PodState.READY),
    ],
)
def test_nothing_is_guessed(pod: PodView) -> None:
    """Without a row of its pull, or without a waiting pod, there is no Event."""
    assert Scene(pod, pulls=(running_view(),)).after(60) == []


def test_a_silent_agent_is_not_quoted() -> None:
    """A report that is too old says nothing about the present."""
    assert Scene(waiting_pod(), pulls=(running_view(stale=True),)).after(60) == []

    scene = Scene(waiting_pod("web-1", image_need(left=time_left(300))), pulls=(running_view(),))
    assert len(scene.after(100, silent=True)) == 1
    assert len(scene.after(1)) == 1


def test_the_budget_holds_and_is_fair() -> None:
    """Ten a second for 300 pods: each pod gets an Event before one gets a second."""
    names = [f"web-{number}" for number in range(300)]
    scene = Scene(*map(waiting_pod, names), pulls=(running_view(),))
    pods: list[str] = []
    for second in range(100):
        scene.set(*map(waiting_pod, names), pulls=(running_view(downloaded_bytes=second * MIB),))
        events = scene.after(1)
        assert len(events) <= 10
        pods += [event.pod for event in events]

    assert set(pods[:300]) == set(names)
    assert pods[:300] == pods[300:600]
    assert len(pods) == 910


def test_a_crowd_is_looked_at_in_parts() -> None:
    """Each of 2,500 pods is planned within four seconds."""
    scene = Scene(*(waiting_pod(f"web-{number}") for number in range(2500)), pulls=(running_view(),), per_second=1000)
    scene.now = 10
    pods = [scene.after(1) for _ in range(4)]

    assert max(len(events) for events in pods) == 1000
    assert sum(len(events) for events in pods) == len({event.pod for events in pods for event in events}) == 2500


def test_a_budget_is_not_saved_up() -> None:
    """After an hour of silence there is still no more than one second's worth at once."""
    scene = Scene(*(waiting_pod(f"web-{number}") for number in range(100)), pulls=(running_view(),))
    scene.now = 3600

    assert len(scene.after(1)) == 10


def test_quiet_namespaces_cost_nothing() -> None:
    """Where nothing may be written, no budget is spent, and nothing is lost."""
    scene = Scene(waiting_pod(), waiting_pod("db-1", namespace="team"), pulls=(running_view(),))

    assert [event.namespace for event in scene.after(60, forbidden={"team"})] == ["shop"]
    assert [event.namespace for event in scene.after(1)] == ["team"]


def test_what_could_not_be_written_is_due_again() -> None:
    """A lost Event does not count as written."""
    scene = Scene(waiting_pod(), pulls=(running_view(),))
    [event] = scene.after(10)
    scene.planner.mark_unwritten(event)

    assert scene.after(1) == [event]


def test_what_is_over_is_forgotten() -> None:
    """State is kept for pods that wait, and for no others."""
    scene = Scene(waiting_pod(), pulls=(running_view(),))
    [event] = scene.after(10)
    scene.set()
    scene.after(1)
    scene.planner.mark_unwritten(event)

    assert scene.planner._pods == {}


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("init", "spec.initContainers{web}"),
        ("sidecar", "spec.initContainers{web}"),
        ("ephemeral", "spec.ephemeralContainers{web}"),
        ("volume", None),
    ],
)
def test_the_container_is_named_as_the_kubelet_names_it(role: str, path: str | None) -> None:
    """A volume has no such name."""
    [event] = Scene(waiting_pod("web-1", image_need(role=role)), pulls=(running_view(),)).after(10)

    assert event.field_path == path


def test_hostile_names_are_one_short_line() -> None:
    """A user who may create Pods chooses the names of images."""
    [event] = Scene(
        waiting_pod("web-1", image_need(image="evil/\n\x1b[31m" + "x" * 5000)), pulls=(running_view(),)
    ).after(10)

    assert event.note.isprintable()
    assert len(event.note) < 400
