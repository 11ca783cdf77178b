"""A report as annotations and back, and its summary."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.pulls.lease_format.annotations import (
    NODE,
    PULL_PREFIX,
    SUMMARY,
    decode,
    encode,
    summary,
)
from pulltrace.pulls.model import NodeReport, Phase, Pull
from pulltrace.pulls.time_left import TimeLeft
from tests.builders.pulls import START, ended, large_pull, layer, pull, resolving
from tests.pulls.strategies import history, reports, running

# -- encode and decode ----------------------------------------------------------------------------


@given(reports)
def test_a_report_comes_back_equal(report: NodeReport) -> None:
    """A reader gets the agent's report: totals, times, layers, history, error."""
    assert decode(encode(report)) == report


def test_precision_that_a_lease_does_not_have_is_rounded() -> None:
    """Digests are cut to 12 digits, times to tenths of a second, rates to bytes."""
    reported = pull(
        layers=(layer("0123456789abcdef" + "0" * 48),),
        layer_count=1,
        progressed_at=START + 1.2345,
        bytes_per_second=1000.6,
        time_left=TimeLeft.exactly(12.34),
    )
    [read] = decode(encode(NodeReport(pulls=(reported,)))).pulls

    assert read.layers[0].digest == "sha256:0123456789ab"
    assert read.progressed_at == pytest.approx(START + 1.2)
    assert (read.bytes_per_second, read.time_left) == (1001, TimeLeft.exactly(12.3))


@pytest.mark.parametrize(
    ("digest", "text"),
    [("sha256:" + "ab" * 32, "ab" * 32), ("sha512:" + "ab" * 64, "sha512:" + "ab" * 64)],
    ids=["sha256", "another algorithm"],
)
def test_the_target_digest_is_written_whole(digest: str, text: str) -> None:
    """Every digit of it; only the name of the usual algorithm is left out."""
    annotations = encode(NodeReport(pulls=(pull(target_digest=digest),)))

    assert orjson.loads(annotations[PULL_PREFIX + pull().id])["target"] == text
    assert decode(annotations).pulls[0].target_digest == digest


def test_a_pull_that_ended_at_once_is_in_the_history() -> None:
    """An end in the same tenth of a second as the start is an end."""
    reported = ended(1, ended_at=START, progressed_at=START)

    assert decode(encode(NodeReport(recent=(reported,)))).recent[0].ended_at == START


def test_a_change_of_one_pull_changes_one_key() -> None:
    """A patch carries the pull that moved and the summary, and no other pull."""
    before = encode(NodeReport(pulls=(large_pull(1, 3), large_pull(2, 3))))
    after = encode(NodeReport(pulls=(large_pull(1, 3), large_pull(2, 3, downloaded_bytes=99_999_999))))

    assert {key for key in after if after[key] != before.get(key)} == {
        PULL_PREFIX + large_pull(2, 3).id,
        SUMMARY,
    }


def test_the_lease_of_an_idle_node_is_short() -> None:
    """A node without pulls takes two short annotations."""
    assert encode(NodeReport()) == {SUMMARY: "idle", NODE: '{"v":1}'}


anything = st.text(max_size=1200)


@given(st.lists(anything, max_size=20), anything, running(), history())
def test_what_is_written_can_be_read(texts: list[str], error: str, run: Pull, end: Pull) -> None:
    """Names and messages of any kind never cost a pull: a reader has no problem with what an agent writes."""
    report = NodeReport(
        pulls=(replace(run, repositories=tuple(texts), names=tuple(texts)),),
        recent=(replace(end, names=tuple(texts), error=error),),
        error=error,
    )
    read = decode(encode(report))

    assert (read.problems, len(read.pulls), len(read.recent)) == ((), 1, 1)


# -- the summary ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (NodeReport(), "idle"),
        (
            NodeReport(
                pulls=(
                    large_pull(1, 1, repositories=("docker.io/pytorch/pytorch",), total_bytes=100, downloaded_bytes=61),
                    pull(2, phase=Phase.UNPACKING, repositories=("docker.io/library/nginx",)),
                ),
                recent=(ended(3, phase=Phase.FAILED),),
            ),
            "2 pulling (pytorch/pytorch 61% 33 MiB/s ~42s, nginx unpacking), 1 failed in the last 30 min",
        ),
        (NodeReport(pulls=(resolving(),)), "1 pulling (an image resolving)"),
        (NodeReport(recent=(ended(1), ended(2))), "idle, 2 completed in the last 30 min"),
        (
            NodeReport(error="containerd does not answer"),
            "containerd does not answer; last seen: idle",
        ),
        (
            NodeReport(pulls=tuple(resolving(n) for n in range(5))),
            "5 pulling (an image resolving, an image resolving, an image resolving, 2 more)",
        ),
    ],
)
def test_the_summary_is_one_line_for_people(report: NodeReport, line: str) -> None:
    """`kubectl describe lease` shows what the node does."""
    assert summary(report) == line
