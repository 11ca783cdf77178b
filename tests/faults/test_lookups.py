"""D28: a client of the page that makes the aggregator query the API server again and again."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Self

import pytest

from tests.cluster.processes import wait_until
from tests.faults.link import Link, Seen
from tests.faults.stage import NAMESPACE, Stage
from tests.real.programs import Server

pytestmark = pytest.mark.real("etcd", "openssl")

PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
THREADS = 8
FLOOD_REQUESTS = 300
"""For each thread, at most."""
FLOOD_SECONDS = 6.0
BURST, PER_SECOND = 50, 5
OTHER_ADDRESS = "127.0.0.2"


class Flood:
    """Many connections of one address that query ever-new names, for a few seconds."""

    def __init__(self, port: int, query: str) -> None:
        """`query` has a place for a number."""
        self._port, self._query = port, query
        self._ends_at = time.monotonic() + FLOOD_SECONDS
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(THREADS)]
        self.statuses: Counter[int] = Counter()
        self.retry_after: set[str | None] = set()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join()

    def _ask(self, thread: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        for number in range(FLOOD_REQUESTS):
            if time.monotonic() >= self._ends_at:
                break
            connection.request("GET", f"/api/v1/wait?{self._query.format(f'{thread}-{number}')}&timeout=0")
            answer = connection.getresponse()
            answer.read()
            self.statuses[answer.status] += 1
            if answer.status == 503:
                self.retry_after.add(answer.headers["Retry-After"])
        connection.close()


def lookups(link: Link, since: float) -> list[Seen]:
    """Return the aggregator's requests that are no watch and no part of its own lists."""
    return [one for one in link.requests("GET", since) if "/pods" in one.path and "/namespaces/" in one.path]


def put_pod(stage: Stage, name: str) -> None:
    """Create a pod whose image is not present yet, and which has no row, as no node has it."""
    stage.admin.create(PODS, {"metadata": {"name": name}, "spec": {"containers": [{"name": "main", "image": "nginx"}]}})


def give_image(stage: Stage, name: str) -> None:
    """Write the status of a running pod."""
    state = {
        "name": "main",
        "image": "nginx",
        "imageID": "sha256:1",
        "ready": True,
        "restartCount": 0,
        "state": {"running": {}},
    }
    stage.admin.patch(f"{PODS}/{name}/status", {"status": {"phase": "Running", "containerStatuses": [state]}})


@pytest.mark.parametrize(
    "query", [f"pod={NAMESPACE}/new-{{}}", "workload=new-{}/Deployment/web"], ids=["pods", "namespaces"]
)
def test_d28_client_asks_for_ever_new_things(stage: Stage, tmp_path: Path, query: str) -> None:
    """The API server gets the few requests of one bucket, the rest is 503; a waiter at another address is answered in
    time.
    """
    put_pod(stage, "waits")
    answered: list[tuple[float, dict[str, object]]] = []
    with stage.link() as link, stage.aggregator(tmp_path, link) as aggregator:

        def wait() -> None:
            one = http.client.HTTPConnection(
                "127.0.0.1", aggregator.port, timeout=60, source_address=(OTHER_ADDRESS, 0)
            )
            one.request("GET", f"/api/v1/wait?pod={NAMESPACE}/waits&timeout=50")
            document = json.loads(one.getresponse().read())
            answered.append((time.monotonic(), document))
            one.close()

        waiter = threading.Thread(target=wait)
        waiter.start()
        wait_until(lambda: lookups(link, 0.0), "the waiter's first lookup")
        began = time.monotonic()
        with Flood(aggregator.port, query) as flood:
            wait_until(lambda: flood.statuses.total() >= 2 * BURST, "the flood to be under way")
            ready_at = time.monotonic()
            give_image(stage, "waits")
            waiter.join()
        seconds = time.monotonic() - began
        asked = len(lookups(link, began))
        late = json.loads(Server.get(aggregator.port, "/api/v1/pods"))
    stage.admin.delete(f"{PODS}/waits?gracePeriodSeconds=0")
    print(
        f"\n{dict(flood.statuses)} in {seconds:.1f} s: {asked} lookups; "
        f"the waiter had its answer after {answered[0][0] - ready_at:.1f} s"
    )

    assert asked <= BURST + PER_SECOND * seconds + 10
    assert set(flood.statuses) == {404, 503}
    assert flood.retry_after == {"1"}
    assert answered[0][1]["ready"] is True
    assert answered[0][0] - ready_at <= 12
    assert late["synced"] is True


def test_d28_client_asks_for_ever_new_workloads(stage: Stage, tmp_path: Path) -> None:
    """For any number of workloads of one namespace, its pods are listed once in a few seconds."""
    put_pod(stage, "one")
    with stage.link() as link, stage.aggregator(tmp_path, link) as aggregator:
        began = time.monotonic()
        with Flood(aggregator.port, f"workload={NAMESPACE}/Deployment/new-{{}}") as flood:
            pass
        seconds = time.monotonic() - began
        asked = lookups(link, began)
    stage.admin.delete(f"{PODS}/one?gracePeriodSeconds=0")
    print(f"\n{dict(flood.statuses)} in {seconds:.1f} s: {len(asked)} lookups")

    assert len(asked) <= 1 + seconds / 3
    assert all("limit=100" in one.path for one in asked)
    assert set(flood.statuses) == {404}
