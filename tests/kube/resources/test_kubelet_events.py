"""Records of the kubelets' Events, and Events that are filtered."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from pulltrace.kube.resources.kubelet_events import (
    MAX_COUNT,
    EventKind,
    KubeletEvent,
    is_about_images,
    kubelet_event_of,
)
from pulltrace.pulls.redaction import READ_CHARACTERS
from tests.builders.events import CRASHING, PULLING, Raw, event_object

AT = 1_795_500_010.0
RECORD = KubeletEvent(
    "shop", "web-1", "u-1", "main", EventKind.PULLING, "nginx:1", 'Pulling image "nginx:1"', AT, 1, "node-1"
)

PULLED = (
    'Successfully pulled image "nginx:1" in 30ms (10.014s including waiting). Image size: 68641273 bytes.',
    'Container image "nginx:1" already present on machine',
    'Container image "nginx:1" already present on machine and can be accessed by the pod',
)
FAILED = (
    ("Failed", 'Failed to pull image "nginx:1": rpc error: code = NotFound desc = nginx:1: not found'),
    ("InspectFailed", 'Failed to apply default image tag "nginx:1": couldn\'t parse image name "nginx:1"'),
    ("ErrImageNeverPull", 'Container image "nginx:1" is not present with pull policy of Never'),
)
OTHERS = (
    CRASHING,
    event_object("Failed", "Error: ErrImagePull"),
    event_object("Failed", "Error: ImagePullBackOff"),
    event_object("Failed", 'Error: configmap "pull" not found'),
    event_object("Created", "Created container: main"),
    event_object("FailedMount", "MountVolume.SetUp failed"),
)


def line(kind: str, raw: Raw) -> bytes:
    return orjson.dumps({"type": kind, "object": raw})


def test_pod_reason_message_and_time() -> None:
    """All fields of an Event about a pull."""
    assert kubelet_event_of(PULLING) == RECORD


@pytest.mark.parametrize("message", PULLED)
def test_an_image_that_is_present(message: str) -> None:
    """By a pull, or from before."""
    assert kubelet_event_of(event_object("Pulled", message)) == replace(RECORD, kind=EventKind.PULLED, message=message)


@pytest.mark.parametrize(("reason", "message"), FAILED)
def test_an_image_that_is_not_present(reason: str, message: str) -> None:
    """A pull failed, or is impossible."""
    assert kubelet_event_of(event_object(reason, message)) == replace(RECORD, kind=EventKind.FAILED, message=message)


@pytest.mark.parametrize(
    "more",
    [
        {"source": {"component": "pulltrace", "host": "node-1"}},
        {"source": {}, "reportingComponent": "pulltrace"},
        {"source": {}, "reportingComponent": ""},
        {"metadata": {"name": "x", "namespace": "evil"}},
    ],
)
def test_only_kubelets_events_of_their_own_namespace_count(more: Raw) -> None:
    """An Event of another component, or about a pod of another namespace, is ignored."""
    assert kubelet_event_of({**PULLING, **more}) is None


def test_an_event_without_a_source() -> None:
    """The newer interface names its component and its node in fields of their own."""
    assert kubelet_event_of({**PULLING, "source": {}}) == RECORD


def test_an_event_without_a_node() -> None:
    """An Event without a node has none."""
    found = kubelet_event_of({**PULLING, "source": {"component": "kubelet"}, "reportingInstance": ""})

    assert found == replace(RECORD, node=None)


def test_a_count_that_no_kubelet_reaches() -> None:
    """A count is limited."""
    found = kubelet_event_of({**PULLING, "count": 2**31 - 1})

    assert found == replace(RECORD, count=MAX_COUNT)


def test_a_back_off_that_has_come_again() -> None:
    """Count and time are those of the last occurrence."""
    message = 'Back-off pulling image "nginx:1"'
    found = kubelet_event_of(event_object("BackOff", message, count=7))

    assert found == replace(RECORD, kind=EventKind.BACK_OFF, message=message, count=7)


@pytest.mark.parametrize("raw", OTHERS)
def test_events_that_are_not_about_an_image(raw: Raw) -> None:
    """Containers that do not start for other reasons, and repetitions, are filtered."""
    assert kubelet_event_of(raw) is None


@pytest.mark.parametrize("path", ["spec.initContainers{main}", "spec.ephemeralContainers{main}"])
def test_every_kind_of_container(path: str) -> None:
    """Init and ephemeral containers are named in the same way."""
    assert kubelet_event_of(event_object("Pulling", 'Pulling image "nginx:1"', field=path)) == RECORD


def test_an_image_volume_has_no_container() -> None:
    """Its Event names only the pod."""
    assert kubelet_event_of(event_object("Pulling", 'Pulling image "nginx:1"', field=None)) == replace(
        RECORD, container=None
    )


def test_a_message_stays_as_it_came() -> None:
    """The index of Events redacts kept messages; a client that creates Events could cause endless redaction here."""
    message = 'Failed to pull image "nginx:1": https://me:secret@host: refused'
    found, long = (
        kubelet_event_of(event_object("Failed", message)),
        kubelet_event_of(event_object("Failed", message + "x" * 60_000)),
    )

    assert found
    assert found.message == message
    assert long
    assert len(long.message) == READ_CHARACTERS + 1


def test_an_event_of_the_newer_interface() -> None:
    """Its time and its count are elsewhere."""
    series = {"count": 3, "lastObservedTime": "2026-11-24T06:00:10.000000Z"}
    raw = event_object("Pulling", 'Pulling image "nginx:1"', lastTimestamp=None, firstTimestamp=None, count=None)

    assert kubelet_event_of({**raw, "series": series}) == replace(RECORD, count=3)
    assert kubelet_event_of({**raw, "eventTime": "2026-11-24T06:00:10.000000Z"}) == RECORD
    assert kubelet_event_of(raw) is None


@pytest.mark.parametrize("raw", [PULLING, event_object("Pulled", PULLED[0]), *(event_object(*one) for one in FAILED)])
def test_lines_about_images_are_read(raw: Raw) -> None:
    """The filter on bytes lets through all that is wanted, in either way to write JSON, new or changed."""
    for kind in ("ADDED", "MODIFIED"):
        assert is_about_images(line(kind, raw))
    assert is_about_images(b'{"type": "ADDED", "object": {"reason": "Pulling"}}')


@pytest.mark.parametrize("raw", [PULLING, CRASHING])
def test_lines_of_the_watch_are_decoded(raw: Raw) -> None:
    """Errors and bookmarks concern the watch itself."""
    assert is_about_images(line("ERROR", {"code": 410}))
    assert is_about_images(line("BOOKMARK", {"metadata": {"resourceVersion": "5"}}))


def test_other_lines_are_not_read() -> None:
    """Crashes, and Events that have become too old."""
    assert not is_about_images(line("MODIFIED", CRASHING))
    assert not is_about_images(line("DELETED", PULLING))
