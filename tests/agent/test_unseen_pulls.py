"""Pulls that begin and end between two polls: reported once."""

from __future__ import annotations

import pytest

from pulltrace.agent import tracker
from pulltrace.pulls.model import Phase
from tests.agent.observations import (
    MIB,
    NAME,
    START,
    Watched,
    after_a_quick_pull,
    downloading,
    record,
    resolving,
    restarted,
)


def test_a_pull_that_nobody_saw_is_told_when_it_is_over() -> None:
    """It has its name, its size and its times, and is told once however often it is found."""
    ended = after_a_quick_pull(after_a_quick_pull(Watched(), 20.5), 21.5).ended

    assert (ended.phase, ended.names, ended.total_bytes) == (Phase.COMPLETED, (NAME,), 100 * MIB)
    assert (ended.started_at, ended.ended_at) == (START + 19, START + 20)


def test_a_pull_that_nobody_saw_may_be_one_that_was_resolving() -> None:
    """A row whose digest was never known, and a record that nobody claims, are one pull and not two."""
    ended = after_a_quick_pull(Watched().look(19, resolving()), 20.5).ended

    assert (ended.phase, ended.names, ended.started_at) == (Phase.COMPLETED, (NAME,), START)


@pytest.mark.parametrize("told", ["as ended", "as running", "as missed"])
def test_what_the_lease_tells_is_not_found_again(told: str) -> None:
    """A restarted agent looks back a little further than the last report, and a pull stays one row."""
    node = after_a_quick_pull(Watched(), 20.5) if told == "as missed" else downloading()
    if told == "as ended":
        node.look(21, images=[record()])
    [before] = tracker.report(node.state).pulls or node.recent

    assert [pull.id for pull in after_a_quick_pull(restarted(node), 25).recent] == [before.id]


def test_what_the_agent_before_could_not_tell_is_told() -> None:
    """A pull of the same name that began after the one that is told is another one: the tag has moved."""
    node = restarted(downloading().look(2, images=[record(updated_at=START + 2)]))

    assert [pull.started_at for pull in after_a_quick_pull(node, 25).recent] == [START + 19, START]
