"""Measure the cost of one report in the aggregator: from the line of the watch to the change in the store."""

from __future__ import annotations

import time
from dataclasses import replace

import orjson

from benchmarks.stream_server import running_pull
from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.decoding.api_objects import decode_watch_line
from pulltrace.kube.resources.leases import lease_record
from pulltrace.kube.watch.watch_events import Upserted
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport

NODES = 500
REPORTS = 5000


def lines() -> list[bytes]:
    """Return a watch of Leases, as the API server sends it: every node in turn, each time with more bytes."""
    pulls = [running_pull(number) for number in range(NODES)]
    written = []
    for number in range(REPORTS):
        it = pulls[number % NODES]
        it = pulls[number % NODES] = replace(it, downloaded_bytes=it.downloaded_bytes + 1_000_000)
        metadata = {
            "name": f"node-{number % NODES:04}",
            "namespace": "pulltrace",
            "resourceVersion": str(number + 1),
            "annotations": encode(NodeReport(pulls=(it,))),
        }
        spec = {"holderIdentity": "agent", "leaseDurationSeconds": 40, "renewTime": "2026-11-24T06:00:00.000000Z"}
        written.append(orjson.dumps({"type": "MODIFIED", "object": {"metadata": metadata, "spec": spec}}))
    return written


def ingest_seconds() -> float:
    """Return the CPU seconds for one report."""
    cluster = ClusterState(PullStore(), history_seconds=1800)
    watched = lines()
    for line in watched[:NODES]:
        cluster.lease_event(Upserted(lease_record(decode_watch_line(line)[1])), 0.0)
    began = time.process_time()
    for line in watched[NODES:]:
        cluster.lease_event(Upserted(lease_record(decode_watch_line(line)[1])), 1.0)
    return (time.process_time() - began) / (REPORTS - NODES)
