"""A restarted agent continues from the Lease."""

from __future__ import annotations

from pulltrace.agent import tracker
from pulltrace.pulls.model import Phase
from tests.agent.observations import (
    MIB,
    START,
    PolledNode,
    arriving,
    downloading,
    layer,
    pulling_at_10_mib,
    record,
    restarted,
    running,
    unpacked,
)


def test_a_restarted_agent_goes_on_with_the_same_pull() -> None:
    """Id and start are as before, and the bytes go on from where they are now."""
    node = pulling_at_10_mib()
    before, after = node.pull, restarted(node).poll(7, running(arriving("a", 60 * MIB))).pull

    assert (after.id, after.started_at) == (before.id, before.started_at)
    assert after.downloaded_bytes == 60 * MIB


def test_bytes_that_arrived_during_the_restart_are_in_no_rate() -> None:
    """The first poll after a restart has no rate; the next ones have the present rate."""
    node = restarted(pulling_at_10_mib()).poll(50, running(arriving("a", 90 * MIB)))
    assert node.pull.bytes_per_second == 0

    assert node.poll(51, running(arriving("a", 91 * MIB))).pull.bytes_per_second == MIB


def test_a_restart_does_not_change_the_unpack_rate() -> None:
    """Layers that were unpacked before the restart are not learned from a second time."""
    node = PolledNode().poll(4, running(arriving("a", 0), layer("b")))
    node.poll(7, running(unpacked("a", at=START + 7), layer("b")))
    learned = node.state.unpack_bytes_per_second
    node = restarted(node).poll(9, running(unpacked("a", at=START + 7, stored_at=START + 6.9), layer("b")))

    assert node.state.unpack_bytes_per_second == learned


def test_a_pull_that_ended_while_the_agent_was_away_has_its_outcome() -> None:
    """The image record shows a restarted agent how the pull of its Lease ended."""
    assert restarted(downloading()).poll(60, images=[record()]).ended.phase is Phase.COMPLETED
    assert restarted(downloading()).poll(60, images=[]).ended.phase is Phase.FAILED


def test_after_a_long_absence_a_missing_record_proves_nothing() -> None:
    """An image may be pulled, used and removed while the agent is away for long."""
    node = restarted(downloading()).poll(3600, images=[])

    assert node.ended.phase is Phase.UNKNOWN


def test_history_survives_a_restart() -> None:
    """Pulls that ended before are still reported after."""
    node = downloading().poll(21, images=[record()])
    [before], [after] = node.recent, restarted(node).poll(22, images=[record()]).recent

    assert (after.id, after.phase, after.names, after.ended_at) == (
        before.id,
        before.phase,
        before.names,
        before.ended_at,
    )


def test_a_restored_pull_without_observation_is_reported_as_it_was() -> None:
    """Before containerd answers, the Lease keeps its pulls."""
    node = pulling_at_10_mib()
    [restored] = tracker.report(restarted(node).state).pulls

    assert (restored.id, restored.downloaded_bytes, restored.phase) == (
        node.pull.id,
        node.pull.downloaded_bytes,
        node.pull.phase,
    )
