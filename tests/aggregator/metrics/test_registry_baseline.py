"""The usual rate of a registry."""

from __future__ import annotations

from pulltrace.aggregator.metrics.registry_baseline import MIN_PULLS, RECENT_PULLS, RegistryBaseline
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PullView
from tests.aggregator.builders import store_of
from tests.builders.pulls import MIB, START
from tests.builders.views import pull_changes, running_view


def done(number: int, mib_a_second: int, **fields: object) -> PullView:
    """Return a pull of ten seconds."""
    values = {"downloaded_bytes": 10 * mib_a_second * MIB, "ended_at": START + 10}
    return running_view(number, Phase.COMPLETED, **{**values, **fields})  # type: ignore[arg-type]


def test_it_is_what_half_of_the_pulls_got() -> None:
    """One very fast or very slow pull changes nothing; few pulls have no usual rate."""
    usual = RegistryBaseline()
    for number, rate in enumerate((30, 40, 2, 35, 900)):
        assert usual.rate("docker.io") is None
        usual.apply(pull_changes(None, done(number, rate)), 0)

    assert usual.rate("docker.io") == 35 * MIB
    assert usual.rate("ghcr.io") is None


def test_small_and_failed_pulls_say_nothing() -> None:
    """Neither does a pull that is reported again."""
    usual = RegistryBaseline()
    for number in range(2 * MIN_PULLS):
        usual.apply(pull_changes(None, done(number, 1)), 0)
        usual.apply(pull_changes(None, running_view(number, Phase.FAILED)), 0)
    usual.apply(pull_changes(None, *[done(1, 100, names=(f"x:{number}",)) for number in range(9)]), 0)

    assert usual.rate("docker.io") is None


def test_the_history_counts_once() -> None:
    """Pulls that ended before this process started come from the Leases; a gap in the log doubles nothing."""
    usual, snapshot = RegistryBaseline(), store_of([done(number, 30) for number in range(MIN_PULLS)]).snapshot()
    for _ in range(2):
        usual.reset(snapshot, 0)

    assert usual.rate("docker.io") == 30 * MIB
    assert len(usual._rates["docker.io"]) == MIN_PULLS


def test_it_follows_the_newest_pulls() -> None:
    """A network that became slower is the usual one after a while."""
    usual = RegistryBaseline()
    for rate in (50, 5):
        for number in range(RECENT_PULLS):
            usual.apply(pull_changes(None, done(number, rate)), 0)

    assert usual.rate("docker.io") == 5 * MIB
