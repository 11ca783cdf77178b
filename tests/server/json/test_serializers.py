"""The JSON of version 1: names, times and numbers."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import orjson
import pytest

from pulltrace.pulls.failures import Failure, Reason
from pulltrace.pulls.model import LayerState, Phase
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.server.json import serializers
from pulltrace.server.json.stream_events import LayerEvent, LayerKind, PullEvent, PullKind
from tests.builders.pulls import layer
from tests.builders.views import NOW, POD, STARTED, pull_view

DOCUMENT = Path(__file__).parents[3] / "docs" / "http-api.md"


def test_pull_has_all_names() -> None:
    """A row of which everything is known has every field of docs/http-api.md."""
    written = serializers.pull(
        pull_view(
            waiting=(POD,),
            total_bytes=300,
            downloaded_bytes=100,
            cached_bytes=50,
            unpacked_bytes=20,
            bytes_per_second=12.6,
            time_left=TimeLeft.exactly(15.2),
            repositories=("docker.io/library/nginx",),
            target_digest="sha256:" + "d" * 64,
            layer_count=4,
            layers_done=1,
            progressed_at=STARTED + 1.25,
            layers=(layer("a", LayerState.DOWNLOADING, 33),),
        )
    )

    assert written == {
        "id": "0123456789ab",
        "nodeName": "node-1",
        "imageRef": "docker.io/library/nginx:1.29",
        "nameKnown": True,
        "imageCandidates": (),
        "repositories": ("docker.io/library/nginx",),
        "phase": "downloading",
        "stale": False,
        "totalKnown": True,
        "totalBytes": 300,
        "downloadedBytes": 100,
        "cachedBytes": 50,
        "lazyBytes": 0,
        "unpackedBytes": 20,
        "bytesPerSec": 13,
        "percent": 33.3,
        "layerCount": 4,
        "layersDone": 1,
        "startedAt": "2026-11-23T15:04:00.000Z",
        "progressedAt": "2026-11-23T15:04:01.250Z",
        "pods": [{"namespace": "shop", "podName": "web-1", "container": "nginx", "image": "nginx:1.29"}],
        "etaSeconds": 16,
        "digest": "sha256:" + "d" * 64,
        "layers": [
            {
                "pullId": "0123456789ab",
                "digest": "sha256:aaaaaaaaaaaa",
                "state": "downloading",
                "totalBytes": 100,
                "downloadedBytes": 33,
                "percent": 33.0,
                "totalKnown": True,
            }
        ],
    }


def test_documented_fields_are_those_that_are_written() -> None:
    """docs/http-api.md names every field of a pull and of a layer, and no other."""
    one = layer("a", LayerState.DOWNLOADING, 33)
    running = serializers.pull(
        pull_view(reached_containerd=False, time_left=TimeLeft(1, 1, 3), target_digest="sha256:d", layers=(one,))
    )
    ended = serializers.pull(pull_view(phase=Phase.FAILED, failure=Failure(Reason.NOT_FOUND, "not found")))
    [table, *_] = re.findall(r"^\| field \|.*\n\| --- .*\n((?:\|.*\n)+)", DOCUMENT.read_text(), re.MULTILINE)
    rows = [line.split("|")[1:3] for line in table.splitlines()]

    assert {name for names, _ in rows for name in re.findall(r"`(\w+)`", names)} == running.keys() | ended.keys()
    [layers] = [meaning for names, meaning in rows if names.strip() == "`layers`"]
    assert re.findall(r'"(\w+)"', layers) == list(running["layers"][0])


def test_unknown_values_are_left_out() -> None:
    """A pull that is resolving has no size, no estimate, no end and no digest, and does not pretend to."""
    written = serializers.pull(pull_view(phase=Phase.RESOLVING, image=None))

    assert (written["totalKnown"], written["totalBytes"], written["percent"]) == (False, 0, 0.0)
    assert (written["imageRef"], written["nameKnown"]) == ("", False)
    assert not {"etaSeconds", "completedAt", "error", "digest"} & set(written)


def test_uncertain_name_is_the_repository_and_the_candidates() -> None:
    """While no name is certain, the row says the repository, and which names are meant perhaps."""
    written = serializers.pull(
        pull_view(image=None, candidates=("nginx:1", "nginx:2"), repositories=("docker.io/library/nginx",))
    )

    assert (written["imageRef"], written["nameKnown"]) == ("docker.io/library/nginx", False)
    assert written["imageCandidates"] == ("nginx:1", "nginx:2")


def test_two_repositories_are_no_name() -> None:
    """With two repositories that the bytes may come from, none is picked."""
    written = serializers.pull(pull_view(image=None, repositories=("a.example/x", "b.example/x")))

    assert (written["imageRef"], written["repositories"]) == ("", ("a.example/x", "b.example/x"))


def test_ended_pull() -> None:
    """A failed pull has its end and its reason, keeps how far it came, and lists no layers."""
    written = serializers.pull(
        pull_view(
            phase=Phase.FAILED,
            error="not found",
            total_bytes=10,
            downloaded_bytes=5,
            layers=(layer("a", LayerState.DOWNLOADING),),
        )
    )

    assert (written["phase"], written["error"]) == ("failed", "not found")
    assert written["completedAt"] == "2026-11-23T15:04:05.678Z"
    assert (written["percent"], written["layers"]) == (50.0, [])


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(0, 3, 0.0), (1, 3, 33.3), (2, 3, 66.7), (9_999, 10_000, 99.9), (3, 3, 100.0), (4, 3, 100.0), (0, 0, 100.0)],
)
def test_percent(part: int, whole: int, expected: float) -> None:
    """One decimal; 100 only with the last byte, and also when there was nothing to download."""
    assert expected == serializers.percent(part, whole)


def test_numbers_without_sense() -> None:
    """An infinite rate is none, and an infinite estimate is left out."""
    written = serializers.pull(pull_view(bytes_per_second=float("inf"), time_left=TimeLeft.exactly(float("inf"))))

    assert written["bytesPerSec"] == 0
    assert "etaSeconds" not in written


@pytest.mark.parametrize(("state", "expected"), [(LayerState.CACHED, 100.0), (LayerState.QUEUED, 0.0)])
def test_layer_percent(state: LayerState, expected: float) -> None:
    """A layer that needs no more work is at 100 whatever its bytes say."""
    assert expected == serializers.layer("0123456789ab", layer("a", state))["percent"]


def test_document() -> None:
    """A document holds the rows as they were encoded."""
    assert serializers.document({"pulls": [b'{"id":"a"}', b'{"id":"b"}']}, synced=False, now=NOW) == (
        b'{"schemaVersion":"v1","timestamp":"2026-11-23T15:04:05.678Z","synced":false,"pulls":[{"id":"a"},{"id":"b"}]}'
    )


def test_pull_event() -> None:
    """An event of a row names type and node beside it."""
    event = PullEvent(PullKind.STARTED, 7, pull_view())

    assert serializers.pull_event(event, b'{"id":"a"}', NOW) == (
        b'{"schemaVersion":"v1","timestamp":"2026-11-23T15:04:05.678Z","type":"pull.started",'
        b'"nodeName":"node-1","pull":{"id":"a"}}'
    )


def test_layer_event_carries_its_layer_once() -> None:
    """The row in the event of a layer has no layers of its own."""
    one = layer("a", LayerState.DOWNLOADING, 50)
    written = orjson.loads(
        serializers.layer_event(LayerEvent(LayerKind.PROGRESS, 7, pull_view(layers=(one,)), one), NOW)
    )

    assert (written["type"], written["layer"]["downloadedBytes"]) == ("layer.progress", 50)
    assert "layers" not in written["pull"]


def test_hostile_names_stay_on_one_line() -> None:
    """Line breaks in a name cannot end the event or begin another."""
    data = serializers.encode(pull_view(image="a\n\ndata: {}\r\nevent: snapshot"), 0.0)

    assert serializers.sse(data).count(b"\n") == 2
    assert b"\r" not in data


def test_sse_fields() -> None:
    """A named event has its name before id and data."""
    assert serializers.sse(b"{}", name=b"snapshot", event_id=b"3") == b"event: snapshot\nid: 3\ndata: {}\n\n"
    assert serializers.sse(b"{}") == b"data: {}\n\n"


def test_large_document_takes_what_it_needs() -> None:
    """While it is written, too: what is taken for a moment is kept by the C library."""
    rows = [b'"%s"' % (b"x" * 10_000)] * 110
    tracemalloc.start()
    try:
        document = serializers.document({"pulls": rows, "pods": ()}, synced=True, now=NOW)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert orjson.loads(document)["pulls"] == ["x" * 10_000] * 110
    assert most_bytes < 1.2 * len(document)
