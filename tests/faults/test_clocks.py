"""D5: clocks that jump by an hour, and nodes whose clocks are ten minutes apart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from pulltrace.kube.resources.leases import micro_time
from pulltrace.pulls.model import NodeReport
from tests.builders.pulls import pull
from tests.cluster import binaries
from tests.cluster.processes import wait_until
from tests.faults.stage import ELECTION, LEASES, Stage, leads
from tests.real.programs import Server

pytestmark = pytest.mark.real("etcd", "openssl")

HOUR = 3600
GIVEN_BACK_SECONDS = 12.0
"""The leader's end and a try of the other; a Lease that is not released is waited for for 15 s."""
FOLDERS = Path("/usr/lib")


@dataclass
class Clock:
    """The clock of a process's machine, set by Debian's libfaketime; its monotonic clock does not jump."""

    file: Path

    def env(self) -> dict[str, str]:
        found = next(FOLDERS.glob("*/faketime/libfaketime.so.1"), None)
        if found is None:
            raise binaries.MissingProgram("libfaketime is missing: apt-get install libfaketime")
        self.set(0)
        return {
            "LD_PRELOAD": str(found),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Set the clock so many seconds from the true time."""
        self.file.write_text(f"{seconds:+d}\n")


@pytest.fixture
def replicas(stage: Stage, tmp_path: Path) -> Iterator[tuple[Server, Server, list[Clock]]]:
    """Provide the replica that leads, the other one, and the clocks of both."""
    clocks = [Clock(tmp_path / f"clock-{number}") for number in range(2)]
    with ExitStack() as stack:
        leader, other = (stage.aggregator(tmp_path, env=clock.env()) for clock in clocks)
        stack.enter_context(leader)
        wait_until(lambda: leads(leader), "the first to lead")
        stack.enter_context(other)
        yield leader, other, clocks


def test_d05_clocks_of_the_replicas_jump(stage: Stage, replicas: tuple[Server, Server, list[Clock]]) -> None:
    """Clocks jump an hour in both replicas: the same one leads all the time, and releases the Lease with a
    wrong clock.
    """
    leader, other, clocks = replicas
    election = f"{LEASES}/{ELECTION}"
    holder = stage.admin.get(election)["spec"]["holderIdentity"]
    for ahead in ((HOUR, 0), (0, HOUR), (HOUR, HOUR)):
        for clock, seconds in zip(clocks, ahead, strict=True):
            clock.set(seconds)
        renewed: set[str] = set()
        for _ in range(2):
            assert _renewal(stage, ahead[0], renewed)["holderIdentity"] == holder
            assert (leads(leader), leads(other)) == (True, False)
    began = time.monotonic()
    leader.process.stop()
    wait_until(lambda: leads(other), "the other to lead")
    took = time.monotonic() - began
    print(f"\nanother led {took:.1f} s after the leader with the wrong clock was asked to end")

    assert took <= GIVEN_BACK_SECONDS


def _renewal(stage: Stage, ahead_seconds: int, seen: set[str]) -> dict[str, str]:
    """Return the election's Lease once it is renewed by a clock that is so far ahead, at a time that was not seen
    before.
    """

    def renewed() -> dict[str, str] | None:
        spec: dict[str, str] = stage.admin.get(f"{LEASES}/{ELECTION}")["spec"]
        hour = micro_time(time.time() + ahead_seconds)[:13]
        return spec if spec["renewTime"].startswith(hour) and spec["renewTime"] not in seen else None

    spec = wait_until(renewed, "a renewal by the clock that was set")
    seen.add(spec["renewTime"])
    return spec


def test_d05_nodes_with_other_clocks(stage: Stage, tmp_path: Path) -> None:
    """Two nodes whose clocks are ten minutes behind and ahead: both are fresh, and become stale by the aggregator's own
    time.
    """
    with stage.aggregator(tmp_path) as aggregator:
        for node, minutes in (("node-1", -10), ("node-2", 10)):
            now = time.time() + 60 * minutes
            stage.report(
                node, NodeReport(pulls=(pull(minutes + 20, started_at=now - 5, progressed_at=now),)), seconds=4
            )
            stage.admin.patch(f"{LEASES}/{node}", {"spec": {"renewTime": micro_time(now)}})
        fresh = aggregator.wait_for(lambda rows: len(rows) == 2, "both rows")
        began = time.monotonic()
        aggregator.wait_for(lambda rows: all(row["stale"] for row in rows), "both to be stale")
        took = time.monotonic() - began

    assert [row["stale"] for row in fresh] == [False, False]
    assert 2 <= took <= 8
