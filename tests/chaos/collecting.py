"""Collects the evidence at the end of a run, and writes it to files."""

from __future__ import annotations

import gzip
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from tests.chaos import containerd_log
from tests.chaos.evidence import Evidence, Fault, TruePull
from tests.chaos.listening import OPENER, Listeners
from tests.chaos.rollout import Rollout
from tests.chaos.sampling import AgentSamples
from tests.cluster.cluster import Cluster
from tests.cluster.nodes import Node
from tests.cluster.processes import WaitFailed, wait_until
from tests.e2e.installs import logs, wait_until_ready

SETTLE_SECONDS = 60.0
"""From the last pull's end until every replica has reported it in its stream and its answers."""

QUIET_SECONDS = 5.0
"""A kubelet may request the image of a deleted pod until it receives the deletion."""


def pulls_of(nodes: Iterable[Node]) -> tuple[TruePull, ...]:
    """Return the pulls that these nodes' containerds were asked for so far."""
    found: list[TruePull] = []
    for node in nodes:
        with node.containerd.log.open(encoding="utf-8", errors="replace") as lines:
            found += containerd_log.read(lines, node.name)
    return tuple(found)


def settle(cluster: Cluster, listeners: Listeners) -> None:
    """Wait until nothing changes any more; the invariants judge a cluster that does not settle in time."""
    wait_until_ready(cluster)

    quiet_since: list[float] = []

    def stays_quiet() -> bool:
        if not quiet():
            quiet_since.clear()
        else:
            quiet_since.append(time.monotonic())
        return bool(quiet_since) and quiet_since[-1] - quiet_since[0] >= QUIET_SECONDS

    def quiet() -> bool:
        live = listeners.live()
        running = any(pull.ended is None for pull in pulls_of(cluster.nodes))
        ended = all("completedAt" in row for one in live for row in one.rows())
        return bool(live) and not running and ended and all(one.agreement() for one in live)

    with suppress(WaitFailed):
        wait_until(stays_quiet, "all replicas to report all ends", seconds=SETTLE_SECONDS)


def collect(
    cluster: Cluster,
    since: float,
    listeners: Listeners,
    samples: AgentSamples,
    rollout: Rollout,
    faults: Iterable[Fault],
) -> Evidence:
    live = listeners.live()
    replicas = [one.evidence(live=one in live) for _, one in sorted(listeners.all.items())]
    listeners.stop()
    samples.stop()
    return Evidence(
        since=since,
        pulls=pulls_of(cluster.nodes),
        replicas=tuple(replicas),
        absences=samples.absences(),
        fetched={node.name: tuple(_fetched(node)) for node in cluster.nodes},
        sizes=dict(rollout.sizes),
        records={node.name: frozenset(node.containerd.images()) for node in cluster.nodes},
        failing=rollout.failing,
        faults=tuple(faults),
    )


def _fetched(node: Node) -> Iterable[tuple[float, str]]:
    """Return when the node fetched which repository by digest; the proxy counts seconds from its own start."""
    mark = "/v2/chaos/clock"
    at = time.time()
    with suppress(urllib.error.HTTPError), OPENER.open(node.proxy.url + mark, timeout=10):
        pass
    requests = node.proxy.requests()
    zero = at - next(request.started for request in reversed(requests) if request.path == mark)
    for request in requests:
        words = request.path.split("/")
        if request.method == "GET" and words[-1].startswith("sha256:") and request.sent_bytes:
            yield zero + request.started, "/".join(words[2:-2])


def keep(cluster: Cluster, evidence: Evidence, deleted: Mapping[str, str], folder: Path) -> None:
    """Write the evidence and the logs of all programs, with those of `deleted` pods."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with gzip.open(folder / "evidence.json.gz", "wt", encoding="utf-8") as file:
        json.dump(asdict(evidence), file, default=sorted)
    for name, text in {**deleted, **logs(cluster)}.items():
        (folder / f"{name}.log").write_text(text, encoding="utf-8")
    for node in cluster.nodes:
        shutil.copy(node.containerd.log, folder / f"containerd-{node.name}.log")
