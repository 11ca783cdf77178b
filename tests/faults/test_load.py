"""D23 and D24: very many pulls, and an aggregator that is killed while it knows of thousands."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pulltrace.agent.lease_writer import LeaseWriter
from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.client.load_config import load_config
from pulltrace.kube.resources.leases import KubeLeaseStore, LeasePatch
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport
from tests.builders.pulls import large_pull
from tests.cluster.processes import wait_until
from tests.faults.link import Link
from tests.faults.stage import NAMESPACE, NODES, Stage

pytestmark = pytest.mark.real("etcd", "openssl")

PULLS = 3_000
LAYERS = 100
LEASE_BYTES = 16 * 1024
MANY_NODES = 1_000
PULLS_A_NODE = 5
FULL_SECONDS = 10


async def write(stage: Stage, link: Link, node: str, reports: list[NodeReport]) -> None:
    """Write these reports one after the other with the agent's own writer, its own token and under the
    chart's policy.
    """
    token = stage.control_plane.token(NAMESPACE, "pulltrace-agent", node=node)
    authority = str(stage.control_plane.authority.certificate)
    async with H11Client(StaticConfig(RestConfig(link.url, f"Bearer {token}", ca_file=authority))) as connection:
        writer = LeaseWriter(KubeLeaseStore(connection, NAMESPACE), node, "agent", None)
        for report in reports:
            writer.offer(report)
            await writer.write()


async def test_d23_three_thousand_pulls_on_two_nodes(stage: Stage, tmp_path: Path) -> None:
    """Each of 100 layers: the Leases keep to 16 KiB, each report is one accepted write, and omitted pulls
    are counted.
    """
    a_node = PULLS // len(NODES)
    with stage.link() as link:
        for first, node in enumerate(NODES):
            pulls = [large_pull(number, LAYERS) for number in range(first * a_node, (first + 1) * a_node)]
            moved = [replace(one, downloaded_bytes=one.downloaded_bytes + 1000) for one in pulls]
            await write(stage, link, node, [NodeReport(pulls=tuple(pulls)), NodeReport(pulls=tuple(moved))])
        writes = len(link.requests("PATCH|POST"))
    sizes = [
        sum(len(key) + len(value.encode()) for key, value in stage.leases()[node]["metadata"]["annotations"].items())
        for node in NODES
    ]
    with stage.aggregator(tmp_path) as aggregator:
        rows = await asyncio.to_thread(aggregator.wait_for, lambda rows: len(rows) > len(NODES), "rows")
        nodes = json.loads(aggregator.get(aggregator.port, "/api/v1/nodes"))["nodes"]
    print(f"\nLeases of {sizes} bytes tell of {len(rows)} of {PULLS} pulls")

    assert max(sizes) <= LEASE_BYTES
    assert writes == len(NODES) * (1 + 2)  # the first is a patch that fails, and then the Lease is made
    assert [node["pulling"] for node in nodes] == [a_node] * len(NODES)
    assert {row["phase"] for row in rows} == {"downloading"}


async def fill(stage: Stage, nodes: int) -> None:
    """The Leases of so many nodes, each with five pulls of ten layers."""
    source = await load_config(str(stage.control_plane.kubeconfig))
    async with AiohttpClient(source) as connection:
        store = KubeLeaseStore(connection, NAMESPACE)
        room = asyncio.Semaphore(32)

        async def put(number: int) -> None:
            pulls = tuple(large_pull(PULLS_A_NODE * number + one, 10) for one in range(PULLS_A_NODE))
            patch = LeasePatch(dict(encode(NodeReport(pulls=pulls))), "agent", time.time(), 600)
            async with room:
                await store.patch(f"full-{number}", patch)

        await asyncio.gather(*(put(number) for number in range(nodes)))


def test_d24_aggregator_is_killed_at_full_load(stage: Stage, tmp_path: Path) -> None:
    """5,000 pulls of 1,000 nodes are shown again within 10 s, from the Leases alone, and for a few lists."""
    asyncio.run(fill(stage, MANY_NODES))
    with stage.link() as link, stage.aggregator(tmp_path, link) as aggregator:
        rows = len(aggregator.pulls())
        aggregator.process.kill()
        began = time.monotonic()
        aggregator.start()
        wait_until(lambda: len(aggregator.pulls()) == rows, "all rows")
        took = time.monotonic() - began
        asked = [f"{one.method} {one.path.partition('?')[0]}" for one in link.requests("GET", began) if one.is_list]
    print(f"\nall {rows} rows were back after {took:.1f} s; lists: {asked}")

    assert rows == MANY_NODES * PULLS_A_NODE
    assert took <= FULL_SECONDS
    assert len(asked) <= MANY_NODES / 500 + 2  # pages of 500 Leases at most, the pods, and the Events
