"""Which Kubernetes Events are due, and what they say. Who writes them is in test_announcing.py."""

from __future__ import annotations

from typing import Any

import pytest

from pulltrace.aggregator.leader.event_planner import Announcer
from pulltrace.aggregator.metrics.active_pulls import Live
from pulltrace.aggregator.metrics.registry_baseline import Usual
from pulltrace.kube.resources.pod_events import PodEvent
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import Ahead, NeedState, PodState, PodView, PullView
from tests.aggregator.records import store_of
from tests.builders.pulls import MIB, START
from tests.builders.views import image_need as need
from tests.builders.views import running_view as running
from tests.builders.views import time_left as left
from tests.builders.views import waiting_containers as waits_for
from tests.builders.views import waiting_pod as waiting


class Scene:
    """What runs and waits, in steps of time; the budget is ten Events a second."""

    def __init__(self, *pods: PodView, pulls: tuple[PullView, ...] = (), per_second: float = 10) -> None:
        self.live, self.usual = Live(), Usual()
        self.announcer = Announcer(self.live, self.usual, per_second)
        self.now = 0.0
        self.set(*pods, pulls=pulls)
        assert self.announcer.due(0) == []

    def set(self, *pods: PodView, pulls: tuple[PullView, ...] = ()) -> None:
        snapshot = store_of(pulls, pods).snapshot()
        for taker in (self.live, self.usual):
            taker.begin(snapshot, self.now)

    def after(self, seconds: float, *, silent: bool = False, **arguments: Any) -> list[PodEvent]:
        """What is due each second until then; a byte of each pull comes each second, where its rate says so."""
        events = []
        for _ in range(round(seconds)):
            self.now += 1
            for pull in self.live.running.values():
                if pull.view.pull.bytes_per_second > 0 and not silent:
                    pull.moved_at = self.now
            events += self.announcer.due(self.now, **arguments)
        return events


def test_progress_is_said_after_ten_seconds() -> None:
    """Not before, since most pulls are over by then; with all that a person asks."""
    waiting_pods = waits_for("web-1", "web-2", "web-3")
    scene = Scene(waiting(), pulls=(running(waiting=waiting_pods, seconds_left=20.0),))

    assert scene.after(9) == []
    assert scene.after(1) == [
        PodEvent(
            "shop", "web-1", "uid-web-1", "ImagePullProgress",
            "docker.io/library/nginx:1.27 is 61 % pulled (412 MiB of 675 MiB, 34 MiB/s), about 20 s left; "
            "2 other pods wait for it",
            field_path="spec.containers{web}",
        )
    ]  # fmt: skip


def test_it_is_said_again_when_it_has_changed() -> None:
    """After 15 s, and not at all while the text is the same."""
    scene = Scene(waiting(), pulls=(running(),))
    assert len(scene.after(10)) == 1

    scene.set(waiting(), pulls=(running(downloaded_bytes=500 * MIB),))
    assert scene.after(14) == []
    assert len(scene.after(1)) == 1
    assert scene.after(60) == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"phase": Phase.RESOLVING, "total_bytes": None, "downloaded_bytes": 0},
            "docker.io/library/nginx:1.27 is being asked for; its size is not known yet",
        ),
        (
            {"phase": Phase.UNPACKING, "downloaded_bytes": 675 * MIB, "seconds_left": 65.0},
            "docker.io/library/nginx:1.27 is downloaded (675 MiB) and being unpacked, about 1 min 05 s left",
        ),
        (
            {"bytes_per_second": 0.0, "waiting": waits_for("web-1", "web-2")},
            "docker.io/library/nginx:1.27 is 61 % pulled (412 MiB of 675 MiB); 1 other pod waits for it",
        ),
    ],
)
def test_each_phase_has_its_words(fields: dict[str, Any], text: str) -> None:
    """What is not known is not said."""
    [event] = Scene(waiting(), pulls=(running(**fields),)).after(10)

    assert event.note == text


def test_the_pods_own_estimate_counts_down() -> None:
    """What is told is counted from now, not from when it was estimated."""
    [event] = Scene(waiting("web-1", need(left=left(50))), pulls=(running(),)).after(10)

    assert event.note.endswith(", about 40 s left")


def test_an_image_in_the_queue_names_what_is_before_it() -> None:
    """With how many more, where, and how long it will take."""
    behind = (Ahead("redis:8", f"{2:012x}"), Ahead("postgres:17"), Ahead("golang:1.25"))
    scene = Scene(waiting("web-1", need(NeedState.QUEUED, behind=behind, left=left(100))))

    assert scene.after(9) == []
    [event] = scene.after(1)
    assert (event.reason, event.warning) == ("ImagePullQueued", False)
    assert event.note == (
        "docker.io/library/nginx:1.27 waits behind docker.io/library/redis:8 and 2 other images on node-1; "
        "about 1 min 30 s until it is there"
    )


def test_its_turn_is_said_without_the_wait_for_the_other_reason() -> None:
    """The 15 s are for each reason; those before the first progress count from the pull's own begin."""
    queued = waiting("web-1", need(NeedState.QUEUED))
    scene = Scene(queued)
    scene.after(12)
    scene.set(waiting(), pulls=(running(),))

    assert scene.after(9) == []
    assert [event.reason for event in scene.after(1)] == ["ImagePullProgress"]


def test_a_stall_is_a_warning() -> None:
    """After half a minute without a byte, with how long, instead of the progress."""
    still = running(bytes_per_second=0.0)
    events = Scene(waiting(), pulls=(still,)).after(45)

    assert [(event.reason, event.warning) for event in events] == [
        ("ImagePullProgress", False),
        ("ImagePullStalled", True),
        ("ImagePullStalled", True),
    ]
    assert events[1].note == (
        "docker.io/library/nginx:1.27: no byte has arrived for 30 s; 61 % pulled (412 MiB of 675 MiB)"
    )
    assert "45 s" in events[2].note


def completed(count: int, seconds: float = 20.0) -> tuple[PullView, ...]:
    """Pulls of 675 MiB each."""
    done: dict[str, Any] = {"downloaded_bytes": 675 * MIB, "ended_at": START + seconds}
    return tuple(running(100 + number, Phase.COMPLETED, **done) for number in range(count))


def test_much_slower_than_usual_is_a_warning() -> None:
    """A fifth of what half of this registry's pulls got, after a minute."""
    slow = running(bytes_per_second=1.5 * MIB, downloaded_bytes=67 * MIB)
    events = Scene(waiting(), pulls=(slow, *completed(5))).after(60)

    assert (events[-1].reason, events[-1].warning) == ("ImagePullSlow", True)
    assert events[-1].note == (
        "docker.io/library/nginx:1.27 is slow: node-1 gets 1.5 MiB/s, and docker.io usually gives 34 MiB/s; "
        "9 % pulled (67 MiB of 675 MiB)"
    )


@pytest.mark.parametrize(
    "pulls",
    [
        (running(bytes_per_second=1.5 * MIB), *completed(4)),
        (running(bytes_per_second=1.5 * MIB), running(2, bytes_per_second=30.0 * MIB), *completed(5)),
        (running(bytes_per_second=10.0 * MIB), *completed(5)),
    ],
    ids=["too few to compare with", "shares its node's link", "not slow enough"],
)
def test_slow_is_not_said_lightly(pulls: tuple[PullView, ...]) -> None:
    """A warning that is wrong is worse than none."""
    events = Scene(waiting(), pulls=pulls).after(120)

    assert {event.reason for event in events} == {"ImagePullProgress"}


@pytest.mark.parametrize(
    "pod",
    [
        waiting("web-1", need(NeedState.NEEDED)),
        waiting("web-1", need(NeedState.FAILED), state=PodState.FAILING),
        waiting("web-1", need(pull_id="ffffffffffff")),
        waiting("web-1", need(NeedState.QUEUED, behind=())),
        waiting(state=PodState.READY),
    ],
)
def test_nothing_is_guessed(pod: PodView) -> None:
    """Where no row says how far it is, and where nobody waits any more, nothing is said."""
    assert Scene(pod, pulls=(running(),)).after(60) == []


def test_a_silent_agent_is_not_quoted() -> None:
    """What its last report said is not what is, as soon as it should have said more."""
    assert Scene(waiting(), pulls=(running(stale=True),)).after(60) == []

    scene = Scene(waiting("web-1", need(left=left(300))), pulls=(running(),))
    assert len(scene.after(100, silent=True)) == 1
    assert len(scene.after(1)) == 1


def test_the_budget_holds_and_is_fair() -> None:
    """Ten a second for 300 pods: everybody is told once before anybody is told twice."""
    names = [f"web-{number}" for number in range(300)]
    scene = Scene(*map(waiting, names), pulls=(running(),))
    told: list[str] = []
    for second in range(100):
        scene.set(*map(waiting, names), pulls=(running(downloaded_bytes=second * MIB),))
        events = scene.after(1)
        assert len(events) <= 10
        told += [event.pod for event in events]

    assert set(told[:300]) == set(names)
    assert told[:300] == told[300:600]
    assert len(told) == 910


def test_a_crowd_is_looked_at_in_parts() -> None:
    """Of 2,500 pods everybody's turn comes within four seconds."""
    scene = Scene(*(waiting(f"web-{number}") for number in range(2500)), pulls=(running(),), per_second=1000)
    scene.now = 10
    told = [scene.after(1) for _ in range(4)]

    assert max(len(events) for events in told) == 1000
    assert sum(len(events) for events in told) == len({event.pod for events in told for event in events}) == 2500


def test_a_budget_is_not_saved_up() -> None:
    """After an hour of silence there is still no more than one second's worth at once."""
    scene = Scene(*(waiting(f"web-{number}") for number in range(100)), pulls=(running(),))
    scene.now = 3600

    assert len(scene.after(1)) == 10


def test_quiet_namespaces_cost_nothing() -> None:
    """Where nothing may be written, no budget is spent, and nothing is lost."""
    scene = Scene(waiting(), waiting("db-1", namespace="team"), pulls=(running(),))

    assert [event.namespace for event in scene.after(60, quiet={"team"})] == ["shop"]
    assert [event.namespace for event in scene.after(1)] == ["team"]


def test_what_could_not_be_written_is_due_again() -> None:
    """A lost word is not taken for a said one."""
    scene = Scene(waiting(), pulls=(running(),))
    [event] = scene.after(10)
    scene.announcer.unsaid(event)

    assert scene.after(1) == [event]


def test_what_is_over_is_forgotten() -> None:
    """State is kept for pods that wait, and for no others."""
    scene = Scene(waiting(), pulls=(running(),))
    [event] = scene.after(10)
    scene.set()
    scene.after(1)
    scene.announcer.unsaid(event)

    assert scene.announcer._pods == {}


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
    [event] = Scene(waiting("web-1", need(role=role)), pulls=(running(),)).after(10)

    assert event.field_path == path


def test_hostile_names_are_one_short_line() -> None:
    """Whoever may create Pods chooses the names of images."""
    [event] = Scene(waiting("web-1", need(image="evil/\n\x1b[31m" + "x" * 5000)), pulls=(running(),)).after(10)

    assert event.note.isprintable()
    assert len(event.note) < 400
