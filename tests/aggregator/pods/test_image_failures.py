"""Why an image is not there: words that are kept, tries that are counted, and when the next one comes."""

from __future__ import annotations

import math

import pytest

from pulltrace.aggregator.pods.image_failures import ImageFailure, update_failure
from pulltrace.aggregator.pods.image_pull_status import ImagePullStatus, apply_event, event_pull_seconds, in_order
from pulltrace.kube.resources.kubelet_events import EventKind
from pulltrace.kube.resources.pending_pods import ImageWait
from pulltrace.pulls.failures import Reason
from tests.builders.events import kubelet_event
from tests.builders.pods import pending_image
from tests.builders.pulls import START

NOT_FOUND = 'failed to resolve reference "docker.io/library/nginx:1": docker.io/library/nginx:1: not found'
NOTHING = ImagePullStatus()


def wait(reason: str | None, message: str | None = None) -> ImageWait:
    return pending_image("nginx:1", reason, message)


def after(*steps: tuple[ImageWait, ImagePullStatus, float]) -> ImageFailure | None:
    """Return the failure after these statuses, each with the Events by then and the time."""
    known: ImageFailure | None = None
    for seen, events, now in steps:
        known = update_failure(known, seen, events, now, now)
    return known


def test_a_container_that_is_created_has_no_error() -> None:
    """Waiting is no failure."""
    assert after((wait("ContainerCreating"), NOTHING, 0)) is None


def test_a_failure_has_a_reason_the_words_and_the_next_try() -> None:
    """The first pause of the kubelet is ten seconds."""
    found = after((wait("ErrImagePull", NOT_FOUND), NOTHING, 100))

    assert found is not None
    assert (found.failure.reason, found.failure.message) == (Reason.NOT_FOUND, NOT_FOUND)
    assert (found.failure.tries, found.failure.retry_at, found.since) == (1, 110, 100)


def test_a_back_off_does_not_hide_the_words() -> None:
    """The status of a back-off may have no cause; the cause of the try before it stays."""
    found = after(
        (wait("ErrImagePull", NOT_FOUND), NOTHING, 100),
        (wait("ImagePullBackOff", 'Back-off pulling image "nginx:1"'), NOTHING, 103),
    )

    assert found is not None
    assert (found.failure.message, found.failure.tries, found.failure.retry_at) == (NOT_FOUND, 1, 110)


def test_each_try_that_fails_anew_is_counted() -> None:
    """Back and forth between failure and back-off are tries, with pauses that double."""
    found = after(
        (wait("ErrImagePull", NOT_FOUND), NOTHING, 100),
        (wait("ImagePullBackOff"), NOTHING, 103),
        (wait("ErrImagePull", "401 Unauthorized"), NOTHING, 111),
    )

    assert found is not None
    assert (found.failure.tries, found.failure.reason) == (2, Reason.UNAUTHORIZED)
    assert (found.failure.retry_at, found.since) == (131, 100)


def test_the_same_status_again_is_no_try() -> None:
    """A pod's status changes for many reasons."""
    found = after((wait("ErrImagePull", NOT_FOUND), NOTHING, 100), (wait("ErrImagePull", NOT_FOUND), NOTHING, 101))

    assert found is not None
    assert (found.failure.tries, found.failure.retry_at) == (1, 110)


def test_an_event_counts_tries_that_no_status_showed() -> None:
    """An aggregator that comes up late knows from Events how often it was tried."""
    found = after((wait("ImagePullBackOff"), ImagePullStatus(tries=4, message=NOT_FOUND), 100))

    assert found is not None
    assert (found.failure.tries, found.failure.message, found.failure.retry_at) == (4, NOT_FOUND, 180)


def test_an_event_before_the_status_is_the_same_try() -> None:
    """A try that an Event reported is not counted again with the status."""
    events = ImagePullStatus(requested_at=START, requested_seq=1, failed_seq=2, tries=1, message=NOT_FOUND)
    found = after((wait("ContainerCreating"), events, 100), (wait("ErrImagePull", NOT_FOUND), events, 100.5))

    assert found is not None
    assert (found.failure.tries, found.failure.retry_at) == (1, 110)


@pytest.mark.parametrize(
    ("word", "reason"), [("InvalidImageName", Reason.INVALID_NAME), ("ErrImageNeverPull", Reason.NEVER_PULL)]
)
def test_what_is_never_pulled_is_not_tried_again(word: str, reason: Reason) -> None:
    """However often the kubelet says so."""
    events = apply_event(NOTHING, kubelet_event("a", "x", START, kind=EventKind.FAILED, message="never", count=9), 1)
    found = after((wait(word, "no"), events, 100))

    assert found is not None
    assert (found.failure.reason, found.failure.tries, found.failure.retry_at) == (reason, 1, None)


def test_a_failure_without_words_has_the_kubelets_word() -> None:
    """It is better than nothing, until the message replaces it."""
    bare = after((wait("ImagePullBackOff"), NOTHING, 100))
    later = after((wait("ImagePullBackOff"), NOTHING, 100), (wait("ErrImagePull", NOT_FOUND), NOTHING, 105))

    assert bare is not None
    assert bare.failure.message == "ImagePullBackOff"
    assert later is not None
    assert later.failure.message == NOT_FOUND


def test_a_failure_from_before_the_aggregator_has_no_start() -> None:
    """It is handed on as it is given."""
    found = update_failure(None, wait("ErrImagePull", NOT_FOUND), NOTHING, -math.inf, 100)

    assert found is not None
    assert found.since == -math.inf


# -- Events ----------------------------------------------------------------------------------------


def test_the_order_of_the_api_server_decides() -> None:
    """The last Event holds at any time: a time can be forged, and a clock may have been set."""
    events = apply_event(NOTHING, kubelet_event("a", "x", START + 99, kind=EventKind.PULLED), 1)
    assert events.present

    events = apply_event(events, kubelet_event("a", "x", START + 5), 2)
    assert (events.present, events.requested, events.requested_at) == (False, True, START + 5)

    events = apply_event(events, kubelet_event("a", "x", START + 3, kind=EventKind.BACK_OFF), 3)
    assert (events.present, events.requested) == (False, False)


def test_listed_events_are_put_in_order() -> None:
    """A list has none; within one second the answer came after the question."""
    events = [
        kubelet_event("a", "x", START + 5, kind=EventKind.FAILED),
        kubelet_event("a", "x", START + 9),
        kubelet_event("a", "x", START + 5),
    ]

    assert [(event.at - START, event.kind) for event in in_order(events)] == [
        (5, EventKind.PULLING),
        (5, EventKind.FAILED),
        (9, EventKind.PULLING),
    ]


def test_tries_are_as_many_as_the_event_counts() -> None:
    """The kubelet joins what happens again in one Event."""
    event = kubelet_event("a", "x", START, kind=EventKind.FAILED, message="Failed to pull image: no", count=3)
    events = apply_event(NOTHING, event, 1)

    assert (events.tries, events.message) == (3, "Failed to pull image: no")


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ('Successfully pulled image "a:1" in 30ms (10.014s including waiting). Image size: 68641273 bytes.', 0.03),
        ('Successfully pulled image "a:1" in 1.5s (1.5s including waiting)', 1.5),
        ('Successfully pulled image "a:1" in 2m3.25s (3m0s including waiting)', 123.25),
        ('Successfully pulled image "a in 5s" somehow', None),
        ('Container image "a:1" already present on machine', None),
    ],
)
def test_the_kubelet_reports_how_long_a_pull_took(message: str, seconds: float | None) -> None:
    """Without the time in the queue."""
    assert event_pull_seconds(message) == seconds


def test_no_credentials() -> None:
    """The message of an Event is redacted before it is kept."""
    message = 'Failed to pull image "nginx:1": https://me:secret@host: refused'
    event = kubelet_event("web-1", "nginx:1", START, kind=EventKind.FAILED, message=message)

    assert apply_event(NOTHING, event, 1).message == 'Failed to pull image "nginx:1": https://***@host: refused'
