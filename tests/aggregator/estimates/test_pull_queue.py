"""The queue of a node: what its kubelet pulls, what it has been asked for, and what is in front of what."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pulltrace.aggregator.estimates.pull_queue import PullQueue, build_queue, parallel_pulls
from pulltrace.aggregator.pods.pending_images import PendingImage
from pulltrace.aggregator.rows.correlation import correlate
from pulltrace.kube.resources.kubelet_events import EventKind, KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord, Role
from pulltrace.pulls.model import Pull
from tests.aggregator.builders import pod_index as known
from tests.builders.events import kubelet_event
from tests.builders.pods import NODE, failing, pending_image, pod
from tests.builders.pulls import NGINX, OTHER_DIGEST, START, pull, resolving

REDIS = "docker.io/library/redis"


def redis(number: int = 2, **fields: Any) -> Pull:
    return pull(number, repositories=(REDIS,), target_digest=OTHER_DIGEST, **fields)


def queue(
    pods: Sequence[PodRecord], pulls: Sequence[Pull], events: Iterable[KubeletEvent] | None = None, slots: int = 1
) -> PullQueue:
    """Return the queue of these pods, pulls and Events; None: Events are not watched."""
    found = known(*pods, events=events or ())
    waits = [one.pending for one in found.on_node(NODE).values()]
    flat: list[PendingImage] = sorted((wait for each in waits for wait in each), key=lambda wait: wait.key)
    rows = correlate(NODE, pulls, flat, {}, slots)
    return build_queue(waits, rows.values(), slots, events=events is not None)


def behind(found: PullQueue, key: str) -> list[str]:
    return [one.image for one in found.places[key].behind]


def test_an_image_waits_behind_what_is_pulled_and_what_was_asked_for_before() -> None:
    """The order is that of the kubelet's Events, whatever the pods are called."""
    pods = [pod("a", "nginx:1"), pod("b", "redis:8"), pod("c", "postgres:17")]
    events = [
        kubelet_event("a", "nginx:1", START),
        kubelet_event("c", "postgres:17", START + 1),
        kubelet_event("b", "redis:8", START + 5),
    ]
    found = queue(pods, [pull()], events)

    assert behind(found, "shop/b/c0") == [f"{NGINX}:1", "docker.io/library/postgres:17"]
    assert behind(found, "shop/c/c0") == [f"{NGINX}:1"]
    assert found.queued == 2


def test_what_is_pulled_waits_behind_nothing() -> None:
    """All pods that wait for the image that is pulled wait for that pull."""
    pods = [pod("a", "nginx:1"), pod("b", "nginx:1")]
    found = queue(pods, [pull()], [kubelet_event("a", "nginx:1", START), kubelet_event("b", "nginx:1", START + 3)])

    assert [(place.pulling, place.behind) for place in found.places.values()] == [(True, ()), (True, ())]
    assert found.queued == 0


def test_two_pods_that_wait_for_one_image_are_one_pull() -> None:
    """An image is not behind itself, and stands in front of others once."""
    pods = [pod("a", "nginx:1"), pod("b", "redis:8"), pod("c", "redis:8"), pod("d", "postgres:17")]
    events = [kubelet_event(name, "x", START + at) for at, name in enumerate("abcd")]
    found = queue(pods, [pull()], events)

    assert behind(found, "shop/c/c0") == [f"{NGINX}:1"]
    assert behind(found, "shop/d/c0") == [f"{NGINX}:1", f"{REDIS}:8"]


def test_what_was_not_asked_for_is_not_in_the_queue() -> None:
    """A pod without an Event waits for a volume or the network."""
    found = queue([pod("a", "nginx:1"), pod("b", "redis:8")], [pull()], [kubelet_event("a", "nginx:1", START)])

    assert not found.places["shop/b/c0"].requested


def test_without_events_pods_ask_in_the_order_in_which_they_were_taken_on() -> None:
    """Events may be lost: then the pods' start times say who was first."""
    pods = [
        pod("a", "postgres:17", started_at=START + 9),
        pod("b", "redis:8", started_at=START + 5),
        pod("c", "nginx:1", started_at=START),
    ]
    found = queue(pods, [pull()])

    assert behind(found, "shop/a/c0") == [f"{NGINX}:1", f"{REDIS}:8"]


def test_without_events_a_node_that_pulls_nothing_has_no_queue() -> None:
    """Nothing is pulled, so nothing waits for its turn."""
    assert queue([pod("a", "nginx:1")], []).order == ()


def test_a_pod_asks_for_one_image_at_a_time() -> None:
    """The second image of a pod is not in the queue before the first is there."""
    found = queue([pod("a", "nginx:1"), pod("b", "redis:8", "postgres:17")], [pull()])

    assert [wait.key for wait in found.order] == ["shop/a/c0", "shop/b/c0"]


def test_after_a_failure_the_kubelet_goes_on_with_the_next_container() -> None:
    """An image that failed keeps the others of its pod from nothing, unless it is that of an init container."""
    failed = pending_image("redis:8", "ImagePullBackOff", container="bad")
    init = pending_image("redis:8", "ImagePullBackOff", container="bad", role=Role.INIT)
    going_on = queue([pod("a", "nginx:1"), pod("b", "postgres:17", waiting=[failed])], [pull()])
    held_up = queue([pod("a", "nginx:1"), pod("b", "postgres:17", waiting=[init])], [pull()])

    assert behind(going_on, "shop/b/c0") == [f"{NGINX}:1"]
    assert [wait.key for wait in held_up.order] == ["shop/a/c0"]


def test_a_failed_image_that_was_asked_for_again_is_in_the_queue() -> None:
    """The Event of the next try comes after that of the failure."""
    pods = [pod("a", "nginx:1"), failing("b", "redis:8", "no")]
    failed = kubelet_event("b", "redis:8", START, kind=EventKind.FAILED)
    waiting = queue(pods, [pull()], [failed])
    again = queue(pods, [pull()], [failed, kubelet_event("b", "redis:8", START + 10)])

    assert (waiting.places["shop/b/c0"].requested, again.places["shop/b/c0"].requested) == (False, True)


def test_a_failure_in_the_second_of_the_question_is_the_answer() -> None:
    """The times of Events are whole seconds."""
    failed = kubelet_event("b", "redis:8", START, kind=EventKind.FAILED)
    found = queue(
        [pod("a", "nginx:1"), failing("b", "redis:8", "no")], [pull()], [kubelet_event("b", "redis:8", START), failed]
    )

    assert not found.places["shop/b/c0"].requested


def test_an_image_that_an_event_reports_as_present_is_not_pending() -> None:
    """The Event comes before the pod's status."""
    found = known(pod("a", "nginx:1", "redis:8"), events=[kubelet_event("a", "nginx:1", START, kind=EventKind.PULLED)])

    assert [wait.container.container for wait in found.on_node(NODE)["shop/a"].pending] == ["c1"]


def test_events_on_image_volumes_name_the_image() -> None:
    """An Event of an image volume names no container."""
    volume = pending_image("registry.test/models", None, container="models", role=Role.VOLUME)
    events = [kubelet_event("a", "registry.test/models:latest", START, container=None)]
    [wait] = known(pod("a", waiting=[volume]), events=events).on_node(NODE)["shop/a"].pending

    assert wait.requested_at == START


def test_a_kubelet_that_pulls_for_two_pods_at_once_is_seen() -> None:
    """Two running pulls that two pods wait for show a kubelet that does not wait for one to end."""
    found = known(pod("a", "nginx:1"), pod("b", "redis:8"))
    flat = [wait for each in found.on_node(NODE).values() for wait in each.pending]

    assert parallel_pulls(correlate(NODE, [pull(), redis()], flat, {}).values()) == 2
    assert parallel_pulls(correlate(NODE, [pull(), redis()], flat[:1], {}).values()) == 1


def test_a_manual_pull_delays_no_pod() -> None:
    """The kubelet pulls only images that pods wait for."""
    found = queue([pod("a", "nginx:1"), pod("b", "postgres:17")], [pull(), redis(0, started_at=START - 9)])

    assert behind(found, "shop/b/c0") == [f"{NGINX}:1"]


def test_on_a_node_with_a_free_slot_nothing_is_in_front() -> None:
    """A node with three slots and two pulls has no queue."""
    pods = [pod("a", "nginx:1"), pod("b", "postgres:17")]
    events = [kubelet_event("a", "x", START), kubelet_event("b", "x", START)]

    assert behind(queue(pods, [pull()], events, slots=2), "shop/b/c0") == []
    assert behind(queue(pods, [pull()], events, slots=1), "shop/b/c0") == [f"{NGINX}:1"]


def test_two_tags_that_are_both_pulled_are_pulled_whichever_is_which() -> None:
    """Two pulls of one repository and two tags that are waited for: neither waits for its turn."""
    found = queue([pod("a", "nginx:1"), pod("b", "nginx:2")], [pull(), pull(2, target_digest=OTHER_DIGEST)], slots=2)

    assert [(place.pulling, place.row) for place in found.places.values()] == [(True, None), (True, None)]


def test_a_pull_that_is_resolved_may_be_any_of_those_that_wait() -> None:
    """With two pods and a pull of unknown name, no pod waits behind itself."""
    found = queue([pod("a", "nginx:1"), pod("b", "redis:8")], [resolving()])

    assert behind(found, "shop/a/c0") == []
    assert behind(found, "shop/b/c0") == [f"{NGINX}:1"]


def test_within_a_second_events_come_in_the_order_of_the_kubelet() -> None:
    """Their times are whole seconds, and the kubelet writes one after another."""
    pods = [pod("a", "nginx:1"), pod("b", "redis:8"), pod("c", "postgres:17")]
    found = queue(pods, [pull()], [kubelet_event(name, "x", START) for name in "acb"])

    assert [wait.container.pod for wait in found.order] == ["a", "c", "b"]


def test_a_present_image_delays_no_other() -> None:
    """The kubelet only asks once more."""
    found = known(pod("a", "redis:8"), pod("b", "postgres:17"), events=[kubelet_event(n, "x", START) for n in "ab"])
    waits = [one.pending for one in found.on_node(NODE).values()]

    assert build_queue(waits, (), present=[f"{REDIS}:8"], events=True).places["shop/b/c0"].behind == ()


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["x:1", "y:1", "z:1"])), max_size=8))
def test_who_asks_later_has_at_least_as_much_in_front(pods: list[tuple[int, str]]) -> None:
    """The queue is first come, first served, for any pods and times."""
    records = [pod(f"p{number}", image) for number, (_, image) in enumerate(pods)]
    events = [kubelet_event(f"p{number}", image, START + at) for number, (at, image) in enumerate(pods)]
    found = queue(
        [pod("first", "nginx:1"), *records], [pull()], [kubelet_event("first", "nginx:1", START - 1), *events]
    )
    fronts = [({*behind(found, wait.key), wait.name}) for wait in found.order]

    assert all(earlier <= later for earlier, later in itertools.pairwise(fronts))
