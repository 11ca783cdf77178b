"""One run, from the cluster's start to the judgement."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import report
from tests.chaos.breaking import Breaker
from tests.chaos.collecting import collect, keep, pulls_of, settle
from tests.chaos.evidence import Evidence, Fault, TruePull
from tests.chaos.findings import violations
from tests.chaos.invariants import judge
from tests.chaos.listening import Listeners
from tests.chaos.rollout import Rollout
from tests.chaos.sampling import AgentSamples
from tests.chaos.scene import REPLICAS, scene
from tests.chaos.schedule import plan
from tests.cluster.cluster import Cluster
from tests.cluster.nodes import Node
from tests.cluster.processes import wait_until

PROGRESS_SECONDS = 30.0


def run(minutes: float, seed: int, folder: Path) -> int:
    """Run chaos, print it, and return the exit code: 1 when an invariant does not hold."""
    print(f"chaos for {minutes:g} minutes, seed {seed}", flush=True)
    with scene() as cluster:
        breaker = Breaker(cluster, pulling=lambda node: bool(_running([node])))
        evidence = _break(cluster, breaker, minutes * 60, seed)
        keep(cluster, evidence, breaker.logs, folder)
    findings = judge(evidence)
    text = report.summary(evidence, findings)
    (folder / "summary.txt").write_text(text, encoding="utf-8")
    print(text)
    print(f"seed {seed}; the evidence is in {folder}", flush=True)
    return 1 if violations(findings) else 0


def _break(cluster: Cluster, breaker: Breaker, seconds: float, seed: int) -> Evidence:
    rollout, listeners = Rollout(cluster, seed), Listeners(cluster)
    samples = AgentSamples(cluster, breaker)
    wait_until(lambda: sum(bool(one.events) for one in listeners.live()) == REPLICAS, "the streams")
    began, since = time.monotonic(), time.time()
    rollout.start()
    faults: list[Fault] = []
    for planned in plan(seed, seconds, len(cluster.nodes)):
        _wait(cluster, listeners, began, planned.at_seconds)
        fault = breaker.do(planned)
        faults.append(fault)
        running = sum(pull.began < fault.at < (pull.ended or fault.at + 1) for pull in pulls_of(cluster.nodes))
        minute = (fault.at - since) / 60
        print(f"minute {minute:.1f}: {fault.what}; {running} pulls running then", flush=True)
    _wait(cluster, listeners, began, seconds)
    print("no more pods; waiting until every end is reported", flush=True)
    rollout.stop()
    settle(cluster, listeners)
    return collect(cluster, since, listeners, samples, rollout, faults)


def _running(nodes: Sequence[Node]) -> list[TruePull]:
    return [pull for pull in pulls_of(nodes) if pull.ended is None]


def _wait(cluster: Cluster, listeners: Listeners, began: float, until_seconds: float) -> None:
    """Wait for a moment of the run, and print the progress."""
    while (left := began + until_seconds - time.monotonic()) > 0:
        time.sleep(min(left, PROGRESS_SECONDS))
        gone = time.monotonic() - began
        print(report.progress(gone, pulls_of(cluster.nodes), len(listeners.all)), flush=True)
