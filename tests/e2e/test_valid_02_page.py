"""VALID-02: a Deployment's image pulls are seen live in the web UI, in a real browser."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.cluster.cluster import Cluster
from tests.cluster.processes import wait_until
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, Shop
from tests.real.test_page import percent

pytestmark = pytest.mark.e2e


def test_page_follows_a_deployment(
    page: Page, pulltrace: Forward, cluster: Cluster, shop: Shop, artifacts: Path
) -> None:
    """A Deployment on two nodes is two rows with its pods; their bars move, and end as completed in the history."""
    image = shop.image("web", 8 * MB, 6 * MB, 4 * MB, 2 * MB)
    rows = {node: f"{image.ref} on {node.name}" for node in cluster.nodes}
    for node in cluster.nodes:
        node.proxy.set_rate(1.5 * MB)
    page.goto(f"{pulltrace.url}?view=pulls")
    shop.deploy("web", image, replicas=2)
    for node, row in rows.items():
        (pod,) = wait_until(partial(shop.names, node), f"a pod on {node.name}")
        expect(page.get_by_role("listitem", name=row).get_by_text(pod)).to_be_visible(timeout=20_000)

    for node in cluster.nodes:
        pulltrace.moving(image, node)
    first = {row: wait_until(partial(percent, page, row), "the bar to leave zero") for row in rows.values()}
    page.screenshot(path=artifacts / "page-pulling.png")
    for row in rows.values():
        wait_until(lambda one=row: percent(page, one) > first[one], f"the bar of {row} to move on")  # type: ignore[misc]
    for node in cluster.nodes:
        node.proxy.set_rate(None)

    page.get_by_role("button", name="History", exact=True).click()
    ended = page.get_by_role("region", name="Ended pulls")
    for row in rows.values():
        expect(ended.get_by_role("listitem", name=row).get_by_text("Completed")).to_be_visible(timeout=20_000)
    page.screenshot(path=artifacts / "page-completed.png")
