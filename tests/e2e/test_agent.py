"""An agent's Lease, which people can read, and its memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pulltrace.aggregator.rows.row_ids import row_id
from tests.cluster.cluster import Cluster
from tests.cluster.nodes import Node
from tests.cluster.processes import wait_until
from tests.e2e.installs import NAMESPACE, PROGRAMS
from tests.e2e.reach import Forward
from tests.e2e.replicas import pids
from tests.e2e.workloads import MB, Shop
from tests.real.programs import resident_mib

pytestmark = pytest.mark.e2e

AGENT_MIB = 48


def test_lease_reads_well(pulltrace: Forward, cluster: Cluster, shop: Shop, node: Node, artifacts: Path) -> None:
    """`kubectl describe lease` says in one line what the node pulls, how far it is, how fast and how long it takes."""
    image = shop.image(f"described-{node.name}", 16 * MB, 10 * MB)
    node.proxy.set_rate(MB)  # an agent that is older than the aggregator may not know yet how often to report
    shop.run("described", {"main": image}, node)
    row = pulltrace.moving(image, node, percent=10)
    node.proxy.set_rate(MB / 4)  # it must still run when kubectl, slow on a busy machine, reads the Lease

    def described() -> str | None:
        text = cluster.kubectl("describe", "lease", "--namespace", NAMESPACE, node.name)
        (artifacts / f"describe-lease-{node.name}.txt").write_text(text, encoding="utf-8")
        return text if "~" in summary_of(text) else None  # the time left is unknown in the first seconds of a pull

    text = wait_until(described, "a time in the summary", seconds=30)
    print(text)
    summary = summary_of(text)
    repository = image.ref.rpartition(":")[0]
    assert summary.startswith(f"pulltrace.io/summary: 1 pulling ({repository} ")
    assert all(word in summary for word in ("% ", "iB/s"))
    keys = re.findall(r"pull\.pulltrace\.io/([0-9a-f]{12}):", text)
    assert row["id"] in {row_id(node.name, key) for key in keys}
    assert "Kind:            Node" in text
    assert "Lease Duration Seconds:  40" in text
    node.proxy.set_rate(None)
    pulltrace.ended_row(image, node)


def summary_of(described: str) -> str:
    """Return the line of the summary in what `kubectl describe lease` prints."""
    (summary,) = [line.strip() for line in described.splitlines() if "pulltrace.io/summary:" in line]
    return summary


def test_agents_are_small(pulltrace: Forward, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Each agent holds at most 48 MiB after all that it has seen."""
    sizes = {
        program: [resident_mib(pid) for node in cluster.nodes for pid in pids(node, program)] for program in PROGRAMS
    }
    with capsys.disabled():
        print("\nresident MiB:", {program: [round(size, 1) for size in found] for program, found in sizes.items()})

    assert len(sizes["agent"]) == len(cluster.nodes)
    assert max(sizes["agent"]) <= AGENT_MIB
