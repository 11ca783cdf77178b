"""Samples each node's agent and the connection to the API server."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from http.client import HTTPException

from tests.chaos.breaking import Breaker
from tests.chaos.spans import Sample, Span, absences
from tests.cluster.api import ApiError
from tests.cluster.cluster import Cluster
from tests.e2e.replicas import pids

POLL_SECONDS = 0.5
ANSWERED_SECONDS = 2.0
"""The API server is reachable when it answered within this time."""


class AgentSamples:
    """The samples of all nodes."""

    def __init__(self, cluster: Cluster, breaker: Breaker) -> None:
        self._cluster = cluster
        self._breaker = breaker
        self._samples: dict[str, list[Sample]] = {node.name: [] for node in cluster.nodes}
        self._answered_at = 0.0
        self._stopped = threading.Event()
        for work in (self._sample, self._ask):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def absences(self) -> dict[str, tuple[Span, ...]]:
        """Return by node when no agent polled."""
        return {name: absences(samples) for name, samples in self._samples.items()}

    def _sample(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            for node in self._cluster.nodes:
                at = time.time()
                connected = at - self._answered_at < ANSWERED_SECONDS and node.name not in self._breaker.cut
                self._samples[node.name].append(Sample(at, frozenset(pids(node, "agent")), connected))

    def _ask(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            with suppress(ApiError, OSError, HTTPException):
                self._cluster.user.get("/readyz")
                self._answered_at = time.time()
