"""The OpenAPI document describes every request and answer: schemathesis asks a real server."""

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

import pytest
import schemathesis
from falcon.testing import TestClient
from hypothesis import HealthCheck, settings

from pulltrace.pulls.failures import Failure, Reason
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import Ahead, PodState, Row
from pulltrace.server.api.openapi import openapi
from pulltrace.server.app import create_app
from pulltrace.server.http.server import serve
from tests.builders.views import MONOTONIC, NEED, estimated_pod, node_view, pull_view
from tests.fakes.pull_source import FakePullSource
from tests.server.serve import SETTING

ROOT = Path(__file__).parents[3]

FULL_NODE = node_view(bytes_per_second=1.0, pulling=1, error="error")
FAILURE = Failure(Reason.NOT_FOUND, "not found", retry_at=MONOTONIC)
FULL_NEED = replace(NEED, failure=FAILURE, behind=(Ahead("redis:8", "00000000000a"),))
FULL_POD = estimated_pod(needs=(FULL_NEED,), more_needs=3, ended_at=MONOTONIC)


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


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Run a real server with some rows, in a thread with a loop of its own."""
    started: list[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def run() -> None:
        stop = asyncio.Event()
        rows: list[Row] = [
            pull_view(),
            pull_view("00000000000b", Phase.FAILED),
            FULL_POD,
            estimated_pod("web-2", PodState.READY),
        ]
        app = create_app(FakePullSource(*rows), nodes=lambda: (FULL_NODE,))

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


def _testable_document() -> dict[str, Any]:
    """Return the document without streams, long waits and cursors, which have tests of their own."""
    document: dict[str, Any] = json.loads(json.dumps(openapi()))
    document["servers"] = []
    objects = document["components"]["schemas"]
    document["components"]["schemas"] = {
        name: {**schema, "additionalProperties": False} for name, schema in objects.items()
    }
    del document["paths"]["/api/v1/events"]
    for item in document["paths"].values():
        asked = item["get"]["parameters"]
        item["get"]["parameters"] = [parameter for parameter in asked if parameter["name"] != "cursor"]
    wait = document["paths"]["/api/v1/wait"]["get"]
    wait["parameters"] = [{**parameter, "required": True} for parameter in wait["parameters"][:1]]
    return document


SCHEMA = schemathesis.openapi.from_dict(_testable_document())


@SCHEMA.parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_answers_match_the_document(case: schemathesis.Case[Any], url: str) -> None:
    """Every request, sensible or not, gets an answer of the document, and no field that the document does not declare."""
    if case.path == "/api/v1/wait":
        case.query = {**(case.query or {}), "timeout": 0}
    case.call_and_validate(base_url=url, timeout=10)
