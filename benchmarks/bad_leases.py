"""CPU time that malformed Leases cost the aggregator, from the line of the watch to the rejection.

    .venv/bin/python -m benchmarks.bad_leases [--times 200]

Each is the line that the API server's watch sends, parsed and taken in beside 500 good nodes; the aim is under 5 ms each.
About one Lease in a thousand takes longer: Python's garbage collection may run at any line.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from statistics import median, quantiles

import orjson

from pulltrace.aggregator.state.cluster_state import ClusterState
from pulltrace.aggregator.state.store import PullStore
from pulltrace.kube.resources.leases import lease_record
from pulltrace.kube.watch.watch_events import Replaced, Upserted
from tests.aggregator import hostile_leases
from tests.builders.leases import LeaseWriter
from tests.builders.pulls import pull

GOOD_NODES = 500
AIM_MS = 5


def milliseconds(cluster: ClusterState, annotations: dict[str, str], version: int) -> float:
    line = orjson.dumps(hostile_leases.lease("node-x", annotations, version))
    began = time.process_time()
    cluster.lease_event(Upserted(lease_record(orjson.loads(line))), 0.0)
    return 1000 * (time.process_time() - began)


def p99(times: Sequence[float]) -> float:
    return quantiles(times, n=100)[98]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--times", type=int, default=200)
    given = arguments.parse_args()
    logging.disable(logging.WARNING)
    cluster, writer = ClusterState(PullStore(), 600), LeaseWriter()
    cluster.lease_event(Replaced(tuple(writer.lease(pull(n), node=f"node-{n}") for n in range(GOOD_NODES))), 0.0)
    every: list[float] = []
    print("| Lease | KiB | median ms | p99 ms | worst ms |\n| --- | --- | --- | --- | --- |")
    for name, bad in hostile_leases.ANNOTATIONS.items():
        before = cluster.problems
        times = [milliseconds(cluster, bad, version) for version in range(given.times)]
        assert cluster.problems > before, f"{name} was not rejected"
        kib = sum(len(key) + len(value) for key, value in bad.items()) / 1024
        print(f"| {name} | {kib:.1f} | {median(times):.2f} | {p99(times):.2f} | {max(times):.2f} |")
        every += times
    late = sum(lasted >= AIM_MS for lasted in every)
    print(
        f"\n{len(every)} Leases: p99 {p99(every):.2f} ms, {late} took {AIM_MS} ms or more (worst {max(every):.2f} ms)"
    )


if __name__ == "__main__":
    main()
