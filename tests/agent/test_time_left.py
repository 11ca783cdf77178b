"""The rate and the time left of a pull, and the speeds that a node learns."""

from __future__ import annotations

import pytest

from pulltrace.pulls.download_rate import END_SECONDS
from tests.agent.observations import (
    MIB,
    START,
    PolledNode,
    arriving,
    layer,
    likely,
    pulling_at_10_mib,
    record,
    running,
    stored,
    unpacked,
)


def test_the_rate_is_what_arrives_in_a_second() -> None:
    """Ten MiB each second are a rate of ten MiB a second, and leave five seconds of the hundred."""
    pull = pulling_at_10_mib().pull

    assert pull.bytes_per_second == 10 * MIB
    assert likely(pull) == 5 + END_SECONDS


def test_a_time_left_has_bounds_while_the_rate_changes() -> None:
    """A link that slows down to a quarter leaves it open which speed will last."""
    node = pulling_at_10_mib()
    for second in range(6, 12):
        node.poll(second, running(arriving("a", 50 * MIB + int(2.5 * (second - 5) * MIB))))

    left = node.pull.time_left
    assert left is not None
    assert left.bounds is not None
    assert left.bounds[0] <= left.likely <= left.bounds[1]
    steady = pulling_at_10_mib().pull.time_left
    assert steady is not None
    assert steady.bounds is None


def test_a_young_pull_has_no_time_left() -> None:
    """In its first two seconds an estimate would be noise."""
    node = PolledNode().poll(0.5, running(arriving("a", 0))).poll(1.5, running(arriving("a", MIB)))

    assert node.pull.bytes_per_second == MIB
    assert node.pull.time_left is None


def test_a_stalled_pull_has_no_time_left() -> None:
    """Without bytes there is no rate, and no basis for an estimate."""
    pull = pulling_at_10_mib().poll(40, running(arriving("a", 50 * MIB))).pull

    assert (pull.bytes_per_second, pull.time_left) == (0, None)


def test_a_pull_that_unpacks_has_no_rate() -> None:
    """Nothing is downloaded any more."""
    assert pulling_at_10_mib().poll(6, running(stored("a"))).pull.bytes_per_second == 0


def test_unpacking_time_is_unknown_before_a_layer_was_unpacked_here() -> None:
    """With every byte here, what is left depends on a speed that this node has not shown yet."""
    assert pulling_at_10_mib().poll(6, running(stored("a"))).pull.time_left is None


def test_a_node_learns_how_fast_it_unpacks() -> None:
    """A layer of 100 MiB that took two seconds to unpack predicts the next one."""
    node = PolledNode().poll(4, running(arriving("a", 0), layer("b")))
    node.poll(7, running(unpacked("a", at=START + 7), stored("b", at=START + 7)))

    assert node.state.unpack_bytes_per_second == 50 * MIB
    assert likely(node.pull) == 2 + END_SECONDS


def test_a_layer_that_unpacks_longer_than_expected() -> None:
    """It is taken to need as long again as it is late, and so are the layers above it."""
    node = PolledNode().poll(4, running(arriving("a", 0), layer("b"), layer("c")))
    both = (stored("b", at=START + 7), stored("c", at=START + 7))
    node.poll(7, running(unpacked("a", at=START + 7), *both))
    assert likely(node.pull) == pytest.approx(4 + END_SECONDS)

    node.poll(8, running(unpacked("a", at=START + 7), *both))
    assert likely(node.pull) == pytest.approx(3 + END_SECONDS)
    node.poll(27, running(unpacked("a", at=START + 7), *both))

    assert likely(node.pull) == pytest.approx(18 + 11 + END_SECONDS, abs=1)


def test_a_node_learns_how_long_ends_take() -> None:
    """A record a second later than estimated makes the next estimate longer."""
    node = pulling_at_10_mib()
    for second in range(6, 10):
        node.poll(second, running(arriving("a", 10 * second * MIB)))
    estimate = likely(node.pull)
    node.poll(12.5, images=[record(updated_at=START + 9 + estimate + 1)])

    assert node.state.end_seconds == pytest.approx(END_SECONDS + 0.3)


def test_cached_layers_do_not_change_the_unpack_rate() -> None:
    """Layers that were unpacked before this pull do not show the present rate."""
    cached = unpacked("a", at=START - 1, stored_at=START - 100)
    node = PolledNode().poll(4, running(cached, layer("b"))).poll(5, running(cached, layer("b")))

    assert node.state.unpack_bytes_per_second is None
