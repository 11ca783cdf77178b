"""What a registry usually gives."""

from __future__ import annotations

from pulltrace.aggregator.metrics.registry_baseline import ENOUGH, KEPT, Usual
from pulltrace.pulls.model import Phase
from pulltrace.pulls.view import PullView
from tests.aggregator.records import store_of
from tests.builders.pulls import MIB, START
from tests.builders.views import pull_changes as pulls
from tests.builders.views import running_view as running


def done(number: int, mib_a_second: int, **fields: object) -> PullView:
    """A pull of ten seconds."""
    values = {"downloaded_bytes": 10 * mib_a_second * MIB, "ended_at": START + 10}
    return running(number, Phase.COMPLETED, **{**values, **fields})  # type: ignore[arg-type]


def test_it_is_what_half_of_the_pulls_got() -> None:
    """One that was very fast or very slow changes nothing; of few pulls nothing is said."""
    usual = Usual()
    for number, rate in enumerate((30, 40, 2, 35, 900)):
        assert usual.rate("docker.io") is None
        usual.take(pulls(None, done(number, rate)), 0)

    assert usual.rate("docker.io") == 35 * MIB
    assert usual.rate("ghcr.io") is None


def test_small_and_failed_pulls_say_nothing() -> None:
    """Nor does one that is told again."""
    usual = Usual()
    for number in range(2 * ENOUGH):
        usual.take(pulls(None, done(number, 1)), 0)
        usual.take(pulls(None, running(number, Phase.FAILED)), 0)
    usual.take(pulls(None, *[done(1, 100, names=(f"x:{number}",)) for number in range(9)]), 0)

    assert usual.rate("docker.io") is None


def test_the_history_counts_once() -> None:
    """What ended before this process came up is known from the Leases; a gap in the log doubles nothing."""
    usual, snapshot = Usual(), store_of([done(number, 30) for number in range(ENOUGH)]).snapshot()
    for _ in range(2):
        usual.begin(snapshot, 0)

    assert usual.rate("docker.io") == 30 * MIB
    assert len(usual._rates["docker.io"]) == ENOUGH


def test_it_follows_the_newest_pulls() -> None:
    """A network that became slower is the usual one after a while."""
    usual = Usual()
    for rate in (50, 5):
        for number in range(KEPT):
            usual.take(pulls(None, done(number, rate)), 0)

    assert usual.rate("docker.io") == 5 * MIB
