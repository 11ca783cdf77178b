"""Subscribes to every replica of the aggregator while its pod lives, and reads its counters every second."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPResponse

from tests.chaos.counters import COUNTERS, REPORTS
from tests.chaos.evidence import JSON, Replica, Scrape, StreamEvent
from tests.chaos.replay import replay
from tests.cluster.api import ApiError
from tests.cluster.cluster import Cluster
from tests.e2e.installs import pods

POLL_SECONDS = 1.0
SILENCE_SECONDS = 20.0
"""A stream sends something every 15 s."""
AGAIN_SECONDS = 0.2
TRIES = 50
"""How often an answer is compared with the stream: they are not of the same instant."""
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Listener:
    """The subscription to one pod."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.events: list[StreamEvent] = []
        self.scrapes: list[Scrape] = []
        self._stopped = threading.Event()
        for work in (self._note_failures, self._scrape):
            threading.Thread(target=work, name=f"{work.__name__} {name}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def rows(self) -> tuple[JSON, ...]:
        """Return the answer of `GET /api/v1/pulls`."""
        with OPENER.open(f"http://{self.address}:8080/api/v1/pulls", timeout=10) as answer:
            return tuple(json.load(answer)["pulls"])

    def agreement(self) -> tuple[tuple[StreamEvent, ...], tuple[JSON, ...]] | None:
        """Return the stream's events and the answered rows, once both agree."""
        rows, events = self.rows(), tuple(self.events)
        return (events, rows) if replay(events).rows == {row["id"]: row for row in rows} else None

    def evidence(self, *, live: bool) -> Replica:
        """Return the pod's output; for a live one also its answer, at a moment when its stream agrees with it."""
        for _ in range(TRIES if live else 0):
            if agreed := self.agreement():
                events, rows = agreed
                return Replica(self.name, events, tuple(self.scrapes), rows)
            time.sleep(AGAIN_SECONDS)
        return Replica(self.name, tuple(self.events), tuple(self.scrapes), self.rows() if live else None)

    def _note_failures(self) -> None:
        connection, last_id = 0, ""
        while not self._stopped.wait(AGAIN_SECONDS):
            request = urllib.request.Request(f"http://{self.address}:8080/api/v1/events")
            if last_id:
                request.add_header("Last-Event-ID", last_id)
            with suppress(OSError, HTTPException), OPENER.open(request, timeout=SILENCE_SECONDS) as answer:
                connection += 1
                for event_id, data in _messages(answer):
                    last_id = event_id or last_id
                    self.events.append(StreamEvent(time.time(), connection, json.loads(data)))

    def _scrape(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            at = time.time()
            try:
                with OPENER.open(f"http://{self.address}:9090/metrics", timeout=3) as answer:
                    lines = answer.read().decode().splitlines()
            except (OSError, HTTPException):
                self.scrapes.append(Scrape(at))
                continue
            found = {key: float(value) for key, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}
            counts = {key: found[key] for key in (*COUNTERS, REPORTS) if key in found}
            self.scrapes.append(Scrape(time.time(), bool(found.get("pulltrace_leader")), counts))


def _messages(answer: HTTPResponse) -> Iterator[tuple[str, str]]:
    """Return id and data of each message."""
    event_id = data = ""
    for raw in answer:
        field, _, value = raw.decode().rstrip("\n").partition(":")
        if field == "id":
            event_id = value.strip()
        elif field == "data":
            data = value
        elif not field and not value and data:
            yield event_id, data
            event_id = data = ""


class Listeners:
    """The subscriptions to all pods of the aggregator that ever had an address."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.all: dict[str, Listener] = {}
        self._stopped = threading.Event()
        threading.Thread(target=self._find, name="finding replicas", daemon=True).start()

    def live(self) -> list[Listener]:
        """Return the subscriptions to running pods that are not being deleted."""
        answering = {
            pod["metadata"]["name"]
            for pod in pods(self._cluster, "aggregator")
            if "deletionTimestamp" not in pod["metadata"]
        }
        return [one for name, one in sorted(self.all.items()) if name in answering]

    def stop(self) -> None:
        self._stopped.set()
        for one in self.all.values():
            one.stop()

    def _find(self) -> None:
        while not self._stopped.wait(POLL_SECONDS / 2):
            with suppress(ApiError, OSError, HTTPException):
                for pod in pods(self._cluster, "aggregator"):
                    name, address = pod["metadata"]["name"], pod["status"].get("podIP")
                    if address and name not in self.all:
                        self.all[name] = Listener(name, address)
