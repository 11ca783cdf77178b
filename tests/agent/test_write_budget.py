"""All writes of a cluster's agents, by their real decisions and the leader's: within the budget."""

from __future__ import annotations

import pytest

from tests.agent.fleet import Fleet

SETTLED_SECONDS = 60.0
TOLERATED = 1.1
"""Share of the budget, over any 10 s."""


@pytest.mark.parametrize("seed", [1, 2])
def test_pulls_that_begin_together_on_a_tenth_of_the_nodes_stay_within_the_budget(seed: int) -> None:
    """500 of 5,000 nodes begin within a second or so: their starts are reported, and all other writes fit beside them."""
    fleet = Fleet(5000, budget=100, seed=seed)
    fleet.run(SETTLED_SECONDS)
    began = fleet.now
    fleet.begin(500, within_seconds=1.25)
    fleet.run(240)
    print(f"500 of 5,000 nodes begin: worst 10 s {fleet.worst(began, began + 30):.1f}, mean of 4 minutes "
          f"{fleet.mean(began, fleet.now):.1f} writes/s")  # fmt: skip

    assert fleet.worst(began, fleet.now) <= 100 * TOLERATED
    assert fleet.reported_within(500, began, 2.5)


@pytest.mark.parametrize("seed", [1, 2])
def test_all_nodes_that_pull_stay_within_the_budget(seed: int) -> None:
    """After the unavoidable write of each start, all nodes keep to it."""
    fleet = Fleet(2000, budget=40, seed=seed)
    fleet.run(SETTLED_SECONDS)
    began = fleet.now
    fleet.begin(2000, within_seconds=5)
    fleet.run(300)
    print(f"2,000 of 2,000 nodes begin, budget 40: worst 10 s {fleet.worst(began, began + 30):.1f}, "
          f"later {fleet.worst(began + 30, fleet.now):.1f} writes/s")  # fmt: skip

    assert fleet.worst(began + 30, fleet.now) <= 40 * TOLERATED


@pytest.mark.parametrize("pulling", [10, 58])
def test_few_nodes_report_each_second(pulling: int) -> None:
    """When few nodes pull, each reports every second."""
    fleet = Fleet(5000, budget=100)
    fleet.run(SETTLED_SECONDS)
    fleet.begin(pulling, within_seconds=1)
    fleet.run(60)
    quiet = fleet.mean(SETTLED_SECONDS, fleet.now)
    began = fleet.now
    fleet.run(30)

    assert fleet.leader.published[-1][1] == 1
    assert fleet.mean(began, fleet.now) >= pulling / 1.2 + 30
    assert quiet <= 100


def test_idle_nodes_take_less_than_half_of_the_budget() -> None:
    """5,000 idle nodes renew 42 times a second, and never all together."""
    fleet = Fleet(5000)
    fleet.run(600)

    assert fleet.mean(60, 600) <= 45
    assert fleet.worst(150, 600) <= 50
