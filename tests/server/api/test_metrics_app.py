"""The metrics page: both formats, nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterable

import pytest
from falcon.testing import TestClient
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pulltrace.server.api.metrics_app import create_metrics_app
from pulltrace.server.http.asgi import Message, Scope
from pulltrace.server.http.error_responses import MAX_REQUESTS

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture
def client() -> TestClient:
    """Return a client of the page of a registry with one gauge."""
    registry = CollectorRegistry()
    Gauge("pulltrace_sse_clients_active", "Live streams.", registry=registry).set(3)
    return TestClient(create_metrics_app(registry))


def test_text_format(client: TestClient) -> None:
    """Without an Accept header the page is in the text format."""
    answer = client.simulate_get("/metrics")

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text == (
        "# HELP pulltrace_sse_clients_active Live streams.\n"
        "# TYPE pulltrace_sse_clients_active gauge\n"
        "pulltrace_sse_clients_active 3.0\n"
    )


async def test_requests_are_limited() -> None:
    """One request too many gets a problem document."""
    answered = asyncio.Event()
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
            if message["status"] == 503:
                answered.set()
            await answered.wait()

    app = create_metrics_app(CollectorRegistry())
    scope: Scope = {"type": "http", "method": "GET", "path": "/healthz", "raw_path": b"/healthz", "query_string": b""}
    scope |= {"http_version": "1.1", "headers": [], "asgi": {"version": "3.0", "spec_version": "2.3"}}
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for _ in range(MAX_REQUESTS + 1):
            tasks.create_task(app(scope, receive, send))  # type: ignore[arg-type]

    assert Counter(statuses) == {200: MAX_REQUESTS, 503: 1}


def test_openmetrics(client: TestClient) -> None:
    """A Prometheus that prefers OpenMetrics gets it."""
    answer = client.simulate_get("/metrics", headers={"Accept": f"{OPENMETRICS},text/plain;version=0.0.4;q=0.5"})

    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405)])
def test_nothing_else(client: TestClient, method: str, path: str, status: int) -> None:
    """There is one page, and it is for reading."""
    assert client.simulate_request(method, path).status_code == status


def test_head(client: TestClient) -> None:
    """HEAD answers like GET without the body."""
    answer = client.simulate_head("/metrics")

    assert (answer.status_code, answer.text) == (200, "")
    assert int(answer.headers["content-length"]) > 0


def test_values_are_collected_in_the_event_loop() -> None:
    """Collectors read values of the loop's tasks, so they run in its thread; only the text is made in another."""
    threads: list[threading.Thread] = []

    class Recording(Collector):
        def collect(self) -> Iterable[Metric]:
            threads.append(threading.current_thread())
            yield GaugeMetricFamily("some", "Some.", 1)

    registry = CollectorRegistry()
    registry.register(Recording())
    threads.clear()
    TestClient(create_metrics_app(registry)).simulate_get("/metrics")

    assert threads == [threading.current_thread()]


def test_probes() -> None:
    """The probes answer here too, so that they do not share the bounds of the API's connections."""
    client = TestClient(create_metrics_app(CollectorRegistry(), ready=lambda: "not yet"))

    assert client.simulate_get("/healthz").text == "ok\n"
    assert (client.simulate_get("/readyz").status_code, client.simulate_get("/readyz").text) == (503, "not yet\n")
