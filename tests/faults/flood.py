"""Clients that write one Lease again and again, each on a connection of its own that stays open."""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from threading import Event
from urllib.parse import urlsplit

from tests.cluster.api import JSON, Identity

MERGE_PATCH = "application/merge-patch+json"
TIMEOUT_SECONDS = 60


@dataclass
class Answers:
    """The answers of the API server to one client or several."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the answers' durations."""
        return sorted(self.seconds)[len(self.seconds) // 2]

    @property
    def slowest(self) -> float:
        """The longest duration of an answer."""
        return max(self.seconds)


class Client:
    """One connection of an identity; `patch` counts what the API server answers."""

    def __init__(self, identity: Identity, path: str) -> None:
        address = urlsplit(identity.url)
        self._connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, context=identity._context, timeout=TIMEOUT_SECONDS
        )
        self._headers = {"Content-Type": MERGE_PATCH}
        if identity.token:
            self._headers["Authorization"] = f"Bearer {identity.token}"
        self._path = path

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def patch(self, body: JSON, answers: Answers) -> None:
        """Send one merge patch and read the whole answer."""
        begun = time.monotonic()
        self._connection.request("PATCH", self._path, json.dumps(body).encode(), self._headers)
        with self._connection.getresponse() as answer:
            answer.read()
        answers.seconds.append(time.monotonic() - begun)
        answers.statuses[answer.status] += 1


def flood(identity: Identity, path: str, body: Callable[[int], JSON], *, writes: int, connections: int) -> Answers:
    """Send so many different patches as fast as the API server takes them."""
    answers, numbers = Answers(), iter(range(writes))

    def write() -> None:
        with closing(Client(identity, path)) as client:
            for number in numbers:
                client.patch(body(number), answers)

    with ThreadPoolExecutor(connections) as pool:
        for one in [pool.submit(write) for _ in range(connections)]:
            one.result()
    return answers


def until(over: Event, identity: Identity, path: str, body: Callable[[int], JSON]) -> Answers:
    """Send one patch after the other until the event is set; at least one."""
    answers = Answers()
    with closing(Client(identity, path)) as client:
        for number in count():
            client.patch(body(number), answers)
            if over.is_set():
                break
    return answers
