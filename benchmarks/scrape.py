"""How long a scrape of /metrics keeps the aggregator from everything else: CPU time of reading the values.

    .venv/bin/python -m benchmarks.scrape [--times 20]

500 nodes, 2,500 pulls, all labels in use; the aim is 20 ms. The text is written in a thread and is not part of it.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from tests.aggregator.metered import NODES, PULLS, MeteredAggregator, fill_cluster


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--times", type=int, default=20)
    given = arguments.parse_args()
    aggregator = MeteredAggregator()
    fill_cluster(aggregator)
    times, samples = [], 0
    for _ in range(given.times):
        began = time.thread_time()
        samples = aggregator.series()
        times.append(1000 * (time.thread_time() - began))
    print(f"{NODES} nodes, {PULLS} pulls, {samples} series: median {median(times):.1f} ms, worst {max(times):.1f} ms")


if __name__ == "__main__":
    main()
