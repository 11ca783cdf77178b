"""The writes of all agents of a cluster when pulls begin together, by their decisions and the leader's alone.

    .venv/bin/python -m benchmarks.write_budget

No API server, no network, virtual time (`tests.agent.fleet`): the least that the rules allow, some minutes of it in seconds. How a
real API server bears it is what `cluster_load` measures.
"""

from __future__ import annotations

from tests.agent.fleet import Fleet

BUDGET = 100
SETTLED_SECONDS, ONSET_SECONDS, LATER_SECONDS, END_SECONDS = 60.0, 30.0, 60.0, 360.0
SEEDS = (1, 2, 3)
CASES = ((5000, 58, 1.0), (5000, 500, 1.25), (5000, 1500, 5.0), (5000, 5000, 12.5), (5000, 5000, 60.0), (300, 300, 1.0))


def row(nodes: int, pulling: int, within_seconds: float) -> str:
    onset, later, mean = [], [], []
    for seed in SEEDS:
        fleet = Fleet(nodes, BUDGET, seed=seed)
        fleet.run(SETTLED_SECONDS)
        began = fleet.now
        fleet.begin(pulling, within_seconds)
        fleet.run(END_SECONDS)
        onset.append(fleet.worst(began, began + ONSET_SECONDS))
        later.append(fleet.worst(began + LATER_SECONDS, fleet.now))
        mean.append(fleet.mean(began + LATER_SECONDS, fleet.now))
    cells = (f"{pulling:,} of {nodes:,}, within {within_seconds:g} s", *map(span, (onset, later, mean)))
    return f"| {' | '.join(cells)} |"


def span(rates: list[float]) -> str:
    return f"{min(rates):.0f} to {max(rates):.0f}"


def main() -> None:
    print(f"| nodes that begin to pull | worst 10 s of the first {ONSET_SECONDS:g} s | worst 10 s later | mean later |")
    print("| --- | --- | --- | --- |")
    for case in CASES:
        print(row(*case), flush=True)


if __name__ == "__main__":
    main()
