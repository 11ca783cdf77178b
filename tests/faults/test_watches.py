"""D6 to D9: faults in the answers to watches, by the API server or by something on the way to it."""

from __future__ import annotations

import itertools
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.resources.leases import lease_list_watch
from pulltrace.kube.watch.reflector import READ_SECONDS, Reflector
from pulltrace.kube.watch.watch_events import Replaced, Upserted
from pulltrace.pulls.model import NodeReport
from tests.aggregator.builders import pull_row_id
from tests.builders.pulls import ended, pull
from tests.cluster.processes import wait_until
from tests.faults.link import Link, broken_off, http
from tests.faults.stage import LEASES, NAMESPACE, Stage
from tests.real.programs import Row, Server

pytestmark = pytest.mark.real("etcd", "openssl")

LEASE_WATCH = r"/leases\?.*watch=true"
LEASE_LIST = r"GET .*/leases\?.*limit="
EVENT_WATCH = r"/api/v1/events\?.*watch=true"
EXPIRED = 'pulltrace_watch_restarts_total{reason="expired",resource="leases"}'
HTML = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


@pytest.fixture
def link(stage: Stage) -> Iterator[Link]:
    with stage.link() as link:
        yield link


@pytest.fixture
def aggregator(stage: Stage, link: Link, tmp_path: Path) -> Iterator[Server]:
    """Provide an aggregator behind the link that knows one running pull and one ended pull of node-1."""
    stage.report("node-1", NodeReport(pulls=(pull(1),), recent=(ended(2),)))
    with stage.aggregator(tmp_path, link) as aggregator:
        aggregator.wait_for(lambda rows: len(rows) == 2, "both rows")
        yield aggregator


def phases(rows: list[Row]) -> dict[str, str]:
    numbers = {
        pull_row_id(1, "node-1"): "1",
        pull_row_id(2, "node-1"): "2",
        pull_row_id(3, "node-2"): "3",
    }
    return {numbers[str(row["id"])]: str(row["phase"]) for row in rows}


def bytes_of(number: int) -> Callable[[list[Row]], bool]:
    """Return whether the running pull is shown with so many bytes."""
    return lambda rows: any(row["downloadedBytes"] == number for row in rows if row["phase"] == "downloading")


def test_d06_expired_watch(stage: Stage, link: Link, aggregator: Server) -> None:
    """410, inside a watch and as a status, costs one list; deletions in between are reported, and no pull is reported
    twice.
    """
    stage.report("node-2", NodeReport(pulls=(pull(3),)))
    aggregator.wait_for(lambda rows: len(rows) == 3, "the third row")
    with aggregator.stream() as stream:
        link.refuse()
        stage.admin.create(LEASES, {"metadata": {"name": "of-somebody-else"}})  # so a newer version of Leases exists
        stage.control_plane.apiserver.kill()  # and the next API server has none from before it in memory
        stage.control_plane.apiserver.start()
        stage.control_plane.wait_until_ready()
        stage.admin.delete(f"{LEASES}/node-2")
        stage.report("node-1", NodeReport(pulls=(pull(1, downloaded_bytes=70),), recent=(ended(2),)))
        _compact(stage)
        back = time.monotonic()
        link.restore()
        rows = aggregator.wait_for(bytes_of(70), "what was written meanwhile")
        assert phases(rows) == {"1": "downloading", "2": "completed", "3": "unknown"}
        assert [one.is_list for one in link.requests(LEASE_LIST, back)] == [True]
        begun = [event["pull"]["id"] for _, event in stream.events if event["type"] == "pull.started"]
        assert begun == []
    gone = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410}
    link.answer(LEASE_WATCH, http("410 Gone", json.dumps(gone).encode()), times=1)
    before, again = aggregator.metrics()[EXPIRED], time.monotonic()
    link.cut()
    wait_until(lambda: aggregator.metrics()[EXPIRED] > before, "the status to be seen")
    stage.report("node-1", NodeReport(pulls=(pull(1, downloaded_bytes=80),), recent=(ended(2),)))
    rows = aggregator.wait_for(bytes_of(80), "what was written afterwards")

    assert phases(rows) == {"1": "downloading", "2": "completed", "3": "unknown"}
    assert len(link.requests(LEASE_LIST, again)) == 1


def test_d07_stale_version_of_events(stage: Stage, link: Link, aggregator: Server) -> None:
    """A version that etcd has forgotten, then 200 without a body again and again: six requests in half a minute at
    most.
    """
    link.refuse()
    for number in range(3):  # the version of the watch is no longer the newest
        stage.report("node-1", NodeReport(pulls=(pull(1, downloaded_bytes=number),)))
    _compact(stage)
    since = time.monotonic()
    link.restore()
    wait_until(lambda: link.requests(EVENT_WATCH, since), "a watch of Events")
    link.answer(EVENT_WATCH, http("200 OK"))
    link.cut()
    began = time.monotonic()
    wait_until(lambda: len(link.requests("/api/v1/events", began)) >= 3, "the third request", seconds=40)
    took = time.monotonic() - began
    print(f"\n{len(link.requests('/api/v1/events', since))} requests, the third after {took:.1f} s")

    # The pauses double: the request after the third is 19 s later, so half a minute has six at most.
    assert took >= 4
    assert aggregator.metrics()['pulltrace_watch_restarts_total{reason="empty",resource="events"}'] >= 1


@pytest.mark.timeout(READ_SECONDS + 30)
async def test_d08_half_open_watch_is_left(stage: Stage, link: Link) -> None:
    """Leave a silent connection, without data and without a close, within a minute; no event is lost."""
    connection = AiohttpClient(StaticConfig(_access(stage, link)))
    async with connection:
        reflector = Reflector(connection, lease_list_watch(NAMESPACE))
        async with aclosing(reflector.watch()) as events:
            assert await anext(events) == Replaced(())
            link.go_silent()
            silent = time.monotonic()
            stage.report("node-1", NodeReport(pulls=(pull(1),)))
            event = await anext(events)
            took = time.monotonic() - silent
    print(f"\nheard of it after {took:.1f} s")

    assert isinstance(event, Upserted)
    assert READ_SECONDS <= took <= 60 + 0.8 * 1.25 + 1
    assert reflector.health.restarts["error"] == 1


def test_d08_half_open_watch_is_shown(stage: Stage, link: Link, aggregator: Server) -> None:
    """While no watch answers, running rows are stale, ended ones stay, and a metric shows for how long."""
    moved = itertools.count(1)

    def report() -> None:  # its agent goes on all the time
        stage.report(
            "node-1", NodeReport(pulls=(pull(1, downloaded_bytes=next(moved)),), recent=(ended(2),)), seconds=2
        )

    def shown() -> list[Row] | None:
        report()
        rows = aggregator.pulls()
        return rows if any(row["stale"] for row in rows) else None

    report()
    wait_until(lambda: any(row["downloadedBytes"] == 1 for row in aggregator.pulls()), "the first report")
    link.go_silent()
    rows = wait_until(shown, "a row to be stale", seconds=10)
    silence = aggregator.metrics()['pulltrace_watch_silence_seconds{resource="leases"}']

    assert silence > 2
    assert phases(rows) == {"1": "downloading", "2": "completed"}
    assert [row["phase"] for row in rows if row["stale"]] == ["downloading"]


ANSWERS = {
    "429 with Retry-After": http("429 Too Many Requests", b"{}", "Retry-After: 2"),
    "500": http("500 Internal Server Error", b"{}"),
    "a load balancer's page": http("502 Bad Gateway", HTML, content_type="text/html"),
    "a login page": http("200 OK", HTML, content_type="text/html"),
    "half a line": broken_off(b'{"type":"MODIFIED","object":{"metadata":{"name":"node-1"'),
    "bytes that are no text": broken_off(b'{"type":"MODIFIED","object":"\xff\xfe\x80"}\n'),
}


def test_d09_strange_answers(stage: Stage, link: Link, aggregator: Server) -> None:
    """After any invalid answer the last state stays, the next try comes in time, and changes arrive again."""
    for number, (what, raw) in enumerate(ANSWERS.items(), 1):
        before = time.monotonic()
        link.answer(LEASE_WATCH, raw, times=1)
        link.cut()
        stage.report("node-1", NodeReport(pulls=(pull(1, downloaded_bytes=number),), recent=(ended(2),)))
        _watched_since(link, before)
        assert phases(aggregator.pulls()) == {"1": "downloading", "2": "completed"}, what
        aggregator.wait_for(bytes_of(number), f"news after {what}")
        tries = [one.at for one in link.requests(LEASE_WATCH, before)]
        if "Retry-After" in what:
            assert tries[1] - tries[0] >= 2
        assert len(tries) <= 3, what

    assert "Traceback" not in aggregator.process.log.read_text()


def _access(stage: Stage, link: Link) -> RestConfig:
    token = stage.control_plane.token(NAMESPACE, "pulltrace-aggregator")
    return RestConfig(link.url, f"Bearer {token}", ca_file=str(stage.control_plane.authority.certificate))


def _watched_since(link: Link, before: float) -> None:
    wait_until(lambda: link.requests(LEASE_WATCH, before), "another watch")


def _compact(stage: Stage) -> None:
    """Let etcd compact, as it does every five minutes."""
    version = int(stage.admin.get(LEASES)["metadata"]["resourceVersion"])
    etcd = next(word for word in stage.control_plane.etcd.argv if "listen-client-urls" in word).partition("=")[2]
    request = urllib.request.Request(f"{etcd}/v3/kv/compaction", json.dumps({"revision": version}).encode())
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        assert answer.status == 200
