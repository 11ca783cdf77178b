"""Pulls that begin and end between two polls: reported once."""

from __future__ import annotations

import pytest

from pulltrace.agent import tracker
from pulltrace.pulls.model import Phase
from tests.agent.observations import (
    MIB,
    NAME,
    START,
    PolledNode,
    after_a_quick_pull,
    downloading,
    record,
    resolving,
    restarted,
)


def test_an_unseen_pull_is_reported_after_its_end() -> None:
    """It has its name, its size and its times, and is reported once, however often it is found."""
    ended = after_a_quick_pull(after_a_quick_pull(PolledNode(), 20.5), 21.5).ended

    assert (ended.phase, ended.names, ended.total_bytes) == (Phase.COMPLETED, (NAME,), 100 * MIB)
    assert (ended.started_at, ended.ended_at) == (START + 19, START + 20)


def test_an_unseen_pull_may_be_one_that_was_resolving() -> None:
    """A pull with an unknown digest and an unclaimed record are one pull and not two."""
    ended = after_a_quick_pull(PolledNode().poll(19, resolving()), 20.5).ended

    assert (ended.phase, ended.names, ended.started_at) == (Phase.COMPLETED, (NAME,), START)


@pytest.mark.parametrize("reported", ["as ended", "as running", "as unseen"])
def test_a_reported_pull_is_not_found_again(reported: str) -> None:
    """A restarted agent goes back a little further than the last report, and a pull stays one row."""
    node = after_a_quick_pull(PolledNode(), 20.5) if reported == "as unseen" else downloading()
    if reported == "as ended":
        node.poll(21, images=[record()])
    [before] = tracker.report(node.state).pulls or node.recent

    assert [pull.id for pull in after_a_quick_pull(restarted(node), 25).recent] == [before.id]


def test_an_unreported_pull_is_reported_after_a_restart() -> None:
    """A pull of the same name that began after the reported one is another pull: the tag has moved."""
    node = restarted(downloading().poll(2, images=[record(updated_at=START + 2)]))

    assert [pull.started_at for pull in after_a_quick_pull(node, 25).recent] == [START + 19, START]
