"""VALID-05 and FEAT-01: the layers of a row agree with containerd, on the page and in the stream."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

from pulltrace.containerd.client import connect
from tests.cluster.base_images import busybox_layer
from tests.cluster.cri import pull_now
from tests.cluster.images import Image, Layer, PushedLayer
from tests.cluster.nodes import Node
from tests.cluster.processes import wait_until
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, Shop
from tests.real.programs import Row

pytestmark = pytest.mark.e2e

CHUNK = 1024 * 1024
"""containerd's offsets move in steps of this size."""


@dataclass(frozen=True)
class LayerTruth:
    """A layer as containerd has it."""

    state: str
    written: int
    size: int


def unpacked_layers(node: Node) -> set[str]:
    """Return the chain IDs of the layers that are unpacked."""
    snapshots = [line.split() for line in node.containerd.ctr("snapshots", "ls").splitlines()]
    return {words[0] for words in snapshots if words[-1] == "Committed"}


def ask_containerd(node: Node, image: Image, cached: set[str]) -> list[LayerTruth]:
    """Return each layer as containerd has it: present before, being written, or unpacked."""

    async def offsets() -> dict[str, int]:
        async with connect(str(node.containerd.socket), "k8s.io") as client:
            return {status.ref.removeprefix("layer-"): status.offset for status in await client.ingests()}

    with ThreadPoolExecutor(1) as thread:  # NOTE: the browser's own event loop runs in this one
        written = thread.submit(lambda: asyncio.run(offsets())).result()
    content = set(node.containerd.ctr("content", "ls", "-q").split())
    unpacked = unpacked_layers(node)
    truth, chain = [], ""
    for layer in image.layers:
        chain = f"sha256:{hashlib.sha256(f'{chain} {layer.diff_id}'.encode()).hexdigest()}" if chain else layer.diff_id
        if layer.digest in content:
            state = "cached" if chain in cached else "done" if chain in unpacked else "downloaded"
            truth.append(LayerTruth(state, layer.size, layer.size))
        else:
            offset = written.get(layer.digest, 0)
            truth.append(LayerTruth("downloading" if offset else "queued", offset, layer.size))
    return truth


def agrees(layers: list[Row], truth: list[LayerTruth]) -> bool:
    """Return whether a row's layers are those of containerd, but for the bytes that it writes at once."""
    return len(layers) == len(truth) and all(
        (shown["state"], shown["totalBytes"]) == (true.state, true.size)
        and abs(shown["downloadedBytes"] - true.written) <= CHUNK
        for shown, true in zip(layers, truth)
    )


@pytest.fixture
def base(node: Node) -> Layer:
    """Provide a layer that the node has already. NOTE: to be named before `page`, beside which no event
    loop can run.
    """
    pull_now(node.containerd.socket, "direct.test/busybox:1")
    return busybox_layer()


def test_layers_agree_with_containerd(
    base: Layer, page: Page, pulltrace: Forward, shop: Shop, node: Node, artifacts: Path
) -> None:
    """In the middle of a pull the opened row shows each layer's state and bytes as containerd has them."""
    cached = unpacked_layers(node)
    image = shop.image(f"layers-{node.name}", 12 * MB, 10 * MB, 8 * MB, 6 * MB, base=[base])
    name = f"{image.ref} on {node.name}"
    node.proxy.set_rate(4 * MB)
    page.goto(f"{pulltrace.url}?view=pulls")
    shop.run("layers", {"main": image}, node)
    pulltrace.moving(image, node, percent=30)
    node.proxy.pause()

    row = pulltrace.row(
        image, node, lambda row: agrees(row["layers"], ask_containerd(node, image, cached)), "to agree", 20
    )
    truth = ask_containerd(node, image, cached)
    assert [layer["digest"] for layer in row["layers"]] == [layer.digest[:19] for layer in image.layers]
    assert truth[0].state == "cached"
    assert {"cached", "downloading"} < {layer.state for layer in truth}
    assert (row["cachedBytes"], row["totalBytes"]) == (truth[0].size, image.size - truth[0].size)
    assert row["downloadedBytes"] == pytest.approx(sum(layer.written for layer in truth[1:]), abs=3 * CHUNK)

    page.get_by_role("button", name=f"Layers of {name}").click()
    shown = page.get_by_role("listitem", name=name).get_by_role("list", name="Layers").get_by_role("listitem")
    wait_until(lambda: page_agrees(shown, truth), "the page to show what containerd has")
    page.screenshot(path=artifacts / f"layers-{node.name}.png")
    node.proxy.set_rate(None)
    assert pulltrace.ended_row(image, node)["phase"] == "completed"


def page_agrees(shown: Locator, truth: list[LayerTruth]) -> bool:
    """Return whether the page's layers have containerd's states, and bars as long as its bytes."""
    bars = [layer.get_by_role("progressbar") for layer in shown.all()]
    return len(bars) == len(truth) and all(
        (bar.get_attribute("aria-valuetext") or "").startswith(f"{true.state}, ")
        and abs(float(bar.get_attribute("aria-valuenow") or 0) - 100 * true.written / true.size)
        <= 100 * CHUNK / true.size + 1
        for bar, true in zip(bars, truth)
    )


def test_layer_events(pulltrace: Forward, shop: Shop, node: Node) -> None:
    """`?layers=true` reports each layer's start, its progress (never backwards) and its end."""
    image = shop.image(f"events-{node.name}", 6 * MB, 4 * MB, 3 * MB)
    node.proxy.set_rate(2 * MB)
    with pulltrace.stream("?layers=true") as stream:
        shop.run("events", {"main": image}, node)
        pull_id = pulltrace.ended_row(image, node)["id"]

        def events_of(layer: PushedLayer) -> list[Row]:
            events = [event for _, event in stream.of(pull_id)]
            return [event for event in events if event.get("layer", {}).get("digest") == layer.digest[:19]]

        def all_completed() -> bool:
            return all(
                events_of(layer)[-1:] and events_of(layer)[-1]["type"] == "layer.completed" for layer in image.layers
            )

        wait_until(all_completed, "the end of each layer")
    for layer in image.layers:
        events = events_of(layer)
        moved = [event["layer"]["downloadedBytes"] for event in events]
        assert [event["type"] for event in events][:: len(events) - 1] == ["layer.started", "layer.completed"]
        assert moved == sorted(moved)
        assert {event["layer"]["totalBytes"] for event in events} == {layer.size}
        assert moved[-1] == layer.size
        assert not any("layers" in event["pull"] for event in events)
        if layer.size > 2 * CHUNK:
            assert "layer.progress" in {event["type"] for event in events}
