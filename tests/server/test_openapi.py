"""The OpenAPI document says what is written and what is taken: compared field by field, and by schemathesis."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from falcon.testing import TestClient
from hypothesis import HealthCheck, settings

from pulltrace.pulls.failures import Failure, Reason
from pulltrace.pulls.model import LayerState, Phase
from pulltrace.pulls.view import (
    Ahead,
    AnyChange,
    ImageNeed,
    NeedState,
    NodeView,
    PodChange,
    PodState,
    Row,
    TimeLeft,
    WaitingContainer,
)
from pulltrace.pulls.workload_summary import summarize
from pulltrace.server.api.openapi import events_schema, openapi
from pulltrace.server.app import create_app
from pulltrace.server.http.server import serve
from pulltrace.server.json import pod_serializers, schemas, serializers
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.row_cache import Fragments
from pulltrace.server.json.stream_events import coalesce
from pulltrace.server.sse.subscriber_group import Frames
from tests.builders.pulls import layer
from tests.builders.views import MONOTONIC, NEED, NOW, WEB, node_view
from tests.builders.views import estimated_pod as pod
from tests.builders.views import pull_changes as changes
from tests.builders.views import pull_view as view
from tests.fakes.pull_source import FakePullSource
from tests.server.serve import SETTING

ROOT = Path(__file__).parents[2]

FAILURE = Failure(Reason.NOT_FOUND, "not found", retry_at=MONOTONIC)
LAYER = layer("a", LayerState.DOWNLOADING, 5)
FULL_NEED = replace(NEED, failure=FAILURE, behind=(Ahead("redis:8", "00000000000a"),))
FULL_PULL = view(
    waiting=(WaitingContainer("shop", "web-1", "nginx", "nginx:1.29", WEB),),
    failure=FAILURE,
    reached_containerd=False,
    layers=(LAYER,),
    seconds_left=5.0,
    seconds_left_range=(3.0, 9.0),
    ended_at=NOW,
    target_digest="sha256:d",
)
FULL_POD = pod(needs=(FULL_NEED,), more_needs=3, ended_at=MONOTONIC)
FULL_NODE = node_view(bytes_per_second=1.0, pulling=1, trouble="trouble")
[FULL_WORKLOAD] = summarize([FULL_POD], MONOTONIC)
LEAST_NEED = ImageNeed("nginx", "main", "nginx:1.29", NeedState.NEEDED)
[LEAST_WORKLOAD] = summarize([pod(state=PodState.READY)], MONOTONIC)

LEAST_AND_MOST: dict[str, tuple[Any, Any]] = {
    "Workload": (serializers.workload(WEB), serializers.workload(WEB)),
    "WaitingContainer": (
        serializers.pull(view(waiting=(WaitingContainer("a", "b", "c", "d"),)))["pods"][0],
        serializers.pull(FULL_PULL)["pods"][0],
    ),
    "Failure": (serializers.failure(replace(FAILURE, retry_at=None), 0.0), serializers.failure(FAILURE, 0.0)),
    "Layer": (serializers.layer("0", LAYER), serializers.layer("0", LAYER)),
    "Pull": (serializers.pull_without_layers(view()), serializers.pull(FULL_PULL)),
    "Need": (
        pod_serializers.pod(pod(needs=(LEAST_NEED,)), 0.0)["images"][0],
        pod_serializers.pod(FULL_POD, 0.0)["images"][0],
    ),
    "Ahead": (
        pod_serializers.pod(pod(needs=(replace(NEED, behind=(Ahead("x"),)),)), 0.0)["images"][0]["behind"][0],
        pod_serializers.pod(FULL_POD, 0.0)["images"][0]["behind"][0],
    ),
    "Pod": (pod_serializers.pod(pod(left=None, waiting_since=None), 0.0), pod_serializers.pod(FULL_POD, 0.0)),
    "Node": (pod_serializers.node(replace(FULL_NODE, trouble=None), 0.0), pod_serializers.node(FULL_NODE, 0.0)),
    "WorkloadSummary": (pod_serializers.workload(LEAST_WORKLOAD, 0.0), pod_serializers.workload(FULL_WORKLOAD, 0.0)),
}


@pytest.mark.parametrize("name", schemas.ROWS)
def test_schema_has_the_fields_that_are_written(name: str) -> None:
    """A row of which nothing is known has the required fields, one of which all is known has every field."""
    least, most = LEAST_AND_MOST[name]
    schema = schemas.ROWS[name]

    assert set(schema["required"]) == set(least)
    assert set(schema["properties"]) == set(most)


def validator(name: str) -> jsonschema_rs.Validator:
    schema = {"$ref": f"{schemas.PREFIX}{name}", "components": openapi()["components"]}
    return jsonschema_rs.validator_for(schema, validate_formats=True)


@pytest.mark.parametrize("name", schemas.ROWS)
def test_rows_fit_their_schemas(name: str) -> None:
    """Values are of the kinds that the schemas say."""
    for row in LEAST_AND_MOST[name]:
        validator(name).validate(json.loads(json.dumps(row)))


def test_events_fit_their_schema() -> None:
    """Every kind of event, the snapshot and the beginning of a resumed stream are what docs/events.schema.json says."""
    told: list[AnyChange] = [
        *changes(
            None,
            view(),
            FULL_PULL,
            view(layers=(layer("a", LayerState.DOWNLOADING, 6),)),
            view(phase=Phase.COMPLETED),
            None,
        ),
        PodChange(9, None, FULL_POD),
        PodChange(10, FULL_POD, pod(state=PodState.READY)),
    ]
    clocks = Clocks(lambda: NOW, lambda: MONOTONIC)
    frames = Frames(Fragments(clocks), clocks)
    texts = [frames.of(event) for change in told for event in coalesce([change], layers=True)]
    datas = [text.decode().partition("data: ")[2] for text in texts]
    rows = {"pulls": [pod_serializers.encode(FULL_PULL, 0.0)], "pods": [pod_serializers.encode(FULL_POD, 0.0)]}
    datas.append(serializers.document(rows, synced=True, now=NOW, kind="snapshot").decode())
    datas.append(serializers.document({}, synced=True, now=NOW, kind="resumed").decode())
    schema = jsonschema_rs.validator_for(events_schema(), validate_formats=True)
    for data in datas:
        schema.validate(json.loads(data))

    kinds = {json.loads(data)["type"] for data in datas}
    assert {"pull.started", "pull.removed", "layer.progress", "pod.waiting", "pod.ready", "snapshot"} <= kinds


def test_events_schema_is_up_to_date() -> None:
    """The file in docs is what the schemas give."""
    subprocess.run([sys.executable, ROOT / ".ci" / "schemas.py", "--check"], check=True)


def test_document_is_served() -> None:
    """The document is at its place, and names every path of the API."""
    answer = TestClient(create_app(FakePullSource())).simulate_get("/api/v1/openapi.json")

    assert (answer.headers["content-type"], answer.json) == ("application/json", json.loads(json.dumps(openapi())))
    described = (ROOT / "docs" / "http-api.md").read_text()
    for path in answer.json["paths"]:
        assert f"`GET {path.replace('{pullId}', '{id}')}`" in described


class SomeNodes:
    """One node."""

    def nodes(self) -> tuple[NodeView, ...]:
        return (FULL_NODE,)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A real server with some rows, in a thread with a loop of its own."""
    started: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def run() -> None:
        stop = asyncio.Event()
        rows: list[Row] = [view(), view("00000000000b", Phase.FAILED), FULL_POD, pod("web-2", PodState.READY)]
        app = create_app(FakePullSource(*rows), nodes=SomeNodes())

        def listening(port: int) -> None:
            started.append((port, asyncio.get_running_loop(), stop))
            ready.set()

        await serve(app, "127.0.0.1:0", setting=SETTING, ready=listening, stop=stop)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(10)
    [(port, loop, stop)] = started
    yield f"http://127.0.0.1:{port}"
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


def _as_asked() -> dict[str, Any]:
    """The document without what cannot be made up, and has tests of its own: streams, long waits, cursors."""
    document: dict[str, Any] = json.loads(json.dumps(openapi()))
    document["servers"] = []
    del document["paths"]["/api/v1/events"]
    for item in document["paths"].values():
        asked = item["get"]["parameters"]
        item["get"]["parameters"] = [parameter for parameter in asked if parameter["name"] != "cursor"]
    wait = document["paths"]["/api/v1/wait"]["get"]
    wait["parameters"] = [{**parameter, "required": True} for parameter in wait["parameters"][:1]]
    return document


SCHEMA = schemathesis.openapi.from_dict(_as_asked())


@SCHEMA.parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_server_keeps_its_promises(case: schemathesis.Case[Any], url: str) -> None:
    """Whatever is asked, sensible or not, the answer is one that the document names, in the form that it gives."""
    if case.path == "/api/v1/wait":
        case.query = {**(case.query or {}), "timeout": 0}
    case.call_and_validate(base_url=url, timeout=10)


def test_left_is_a_range() -> None:
    """A range may be open at its end."""
    written = pod_serializers.pod(pod(left=TimeLeft(5, 1, None)), 0.0)

    assert written["etaRangeSeconds"] == [1, None]
    validator("Pod").validate(json.loads(json.dumps(written)))
