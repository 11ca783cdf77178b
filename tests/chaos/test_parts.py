"""The judging and planning parts: containerd's log, absences, the client of a stream, the schedule."""

from __future__ import annotations

import pytest

from tests.chaos import containerd_log
from tests.chaos.counters import stretches
from tests.chaos.evidence import StreamEvent
from tests.chaos.replay import replay
from tests.chaos.schedule import KINDS, plan
from tests.chaos.spans import START_SECONDS, Sample, Span, absences
from tests.chaos.synthetic import BEGUN, DONE, LEADER, MOVED, STREAM, event, scrape

ASKED = r'time="2026-11-24T09:44:30.100000001Z" level=info msg="PullImage \"r.test/a:1\""'
ANSWERED = r'time="2026-11-24T09:44:32.500000000Z" level=info msg="PullImage \"r.test/a:1\" returns image reference \"sha256:6b\""'
REFUSED = (
    r'time="2026-11-24T09:44:31.250000000Z" level=error msg="PullImage \"r.test/a:1\" failed" error="code = \"x\""'
)
RECORDED_1 = 'time="2026-11-24T09:44:31.300000000Z" level=info msg="ImageCreate event &ImageCreate{Name:r.test/a:1,Labels:map[string]string{},}"'
RECORDED_2 = (
    r'time="2026-11-24T09:44:31.300000000Z" level=info msg="ImageCreate event name:\"r.test/a:1\" labels:{key:\"k\"}"'
)
STARTS = 'time="2026-11-24T09:44:40.000000000Z" level=info msg="starting containerd" revision=1 version=2.1'
SECOND = 1795513470.0  # 09:44:30


@pytest.mark.parametrize(
    ("lines", "outcome", "seconds", "recorded"),
    [
        ([ASKED, ANSWERED], "completed", 2.4, True),
        ([ASKED, REFUSED], "failed", 1.15, False),
        ([ASKED], None, None, False),
        ([ASKED, RECORDED_1, STARTS], "killed", 1.2, True),
        ([ASKED, RECORDED_2, STARTS], "killed", 1.2, True),
        (["junk", ASKED, STARTS], "killed", 0.0, False),
    ],
)
def test_log(lines: list[str], outcome: str | None, seconds: float | None, recorded: bool) -> None:  # noqa: FBT001
    """A pull ends at its last line, or at the start of the next containerd."""
    [pull] = containerd_log.read(lines, "node-1")

    assert pull.began == pytest.approx(SECOND + 0.1)
    assert (pull.image, pull.outcome, pull.recorded) == ("r.test/a:1", outcome, recorded)
    assert (pull.ended is None) == (seconds is None)
    assert pull.ended is None or pull.ended - pull.began == pytest.approx(seconds)


def test_log_of_two_pulls_of_one_image() -> None:
    """A kubelet that has given up asks again before containerd logs the first failure: the older pull has failed."""
    first, second = containerd_log.read([ASKED, ASKED.replace("30.1", "31.1"), REFUSED, ANSWERED], "node-1")

    assert (first.outcome, second.outcome) == ("failed", "completed")


def test_absence() -> None:
    """An agent is absent from the last sample of the old process until the new one had time to start."""
    samples = [Sample(0, frozenset({1}), connected=True), Sample(1, frozenset(), connected=True)]
    samples += [Sample(2 + number, frozenset({2}), connected=True) for number in range(10)]

    assert absences(samples) == (Span(0, 2 + START_SECONDS),)


def test_absence_while_the_api_server_is_away() -> None:
    """A starting agent needs the API server for its Lease; a running one polls without it."""
    restarted = [Sample(at, frozenset({1 if at < 2 else 2}), connected=at > 10) for at in range(20)]
    runs = [Sample(at, frozenset({1}), connected=False) for at in range(20)]

    assert absences(restarted) == (Span(1, 11 + START_SECONDS),)
    assert absences(runs) == ()


def test_absence_that_does_not_end() -> None:
    """An agent that never comes back is absent to the end."""
    assert absences([Sample(0, frozenset({1}), True), Sample(1, frozenset(), True), Sample(2, frozenset(), True)]) == (
        Span(0, 2),
    )


def test_client_of_a_stream() -> None:
    """A client has the last state of each row; a removal deletes it, and a snapshot replaces all."""
    client = replay(STREAM)
    assert client.rows["a"] == DONE
    assert [step.row for step in client.steps if step.id == "a"] == [BEGUN, MOVED, DONE]
    assert "a" not in replay([*STREAM, event(140, "pull.removed", DONE)]).rows

    again = replay([*STREAM, StreamEvent(160, 2, {"type": "snapshot", "pulls": [MOVED]})])

    assert again.rows == {"a": MOVED}
    assert [(step.after, step.at, step.row) for step in again.steps[-2:]] == [(135, 160, MOVED), (135, 160, None)]


def test_stretches_of_a_leader() -> None:
    """A stretch ends where the replica does not lead, does not answer, or counts from 0 again."""
    scrapes = [scrape(at, 0, 0, 0) for at in (1, 2, 3)]
    restarted = [*scrapes, scrape(0.5, 0, 0, 0), scrape(0.6, 0, 0, 0)]

    found = [(first.at, last.at) for first, last in stretches(LEADER.__class__("x", scrapes=tuple(restarted)))]

    assert found == [(1, 3), (0.5, 0.6)]


@pytest.mark.parametrize(("minutes", "at_least"), [(2.5, 1), (10, 1), (60, 4)])
def test_plan(minutes: float, at_least: int) -> None:
    """Every kind is in every round, in an order that only the seed decides."""
    planned = plan(7, minutes * 60, 2)

    kinds = [one.kind for one in planned]
    assert min(kinds.count(kind) for kind in KINDS) >= at_least
    assert planned == plan(7, minutes * 60, 2) != plan(8, minutes * 60, 2)
    assert {one.node for one in planned} == {0, 1}
    assert planned[-1].at_seconds < minutes * 60 - 20
