"""`kubectl describe pod` shows the progress, the queue before it and a stalled pull."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.nodes import Node
from tests.cluster.processes import wait_until
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, NAMESPACE, Shop

pytestmark = pytest.mark.e2e


def test_progress_and_queue(pulltrace: Forward, cluster: Cluster, shop: Shop, node: Node, artifacts: Path) -> None:
    """The pod whose image is pulled has an Event with its progress, the pod behind it one with its place."""
    image, other = (shop.image(f"{name}-{node.name}", 32 * MB) for name in ("pulled", "behind"))
    node.proxy.set_rate(MB)
    shop.run("first", {"main": image}, node)
    pulltrace.moving(image, node, percent=1)
    shop.run("second", {"main": other}, node)

    def events_of(pod: str) -> str:
        described = cluster.kubectl("describe", "pod", "--namespace", NAMESPACE, pod)
        return described.partition("Events:")[2]

    first = once(lambda: events_of("first"), lambda text: "ImagePullProgress" in text)
    queued = once(lambda: events_of("second"), lambda text: "ImagePullQueued" in text)
    (artifacts / f"describe-pod-{node.name}.txt").write_text(f"first:{first}\nsecond:{queued}", encoding="utf-8")
    print(first, queued)

    (line,) = [line for line in first.splitlines() if "ImagePullProgress" in line]
    assert image.ref in line
    assert all(words in line for words in ("% pulled", "iB/s", "pulltrace"))
    (line,) = [line for line in queued.splitlines() if "ImagePullQueued" in line]
    assert image.ref in line

    again = once(lambda: events_of("first"), lambda text: "(x" in text)
    assert again.count("ImagePullProgress") == 1


def once(read: Callable[[], str], fulfils: Callable[[str], bool]) -> str:
    """Return the text as soon as it fulfils the condition."""

    def text() -> str | None:
        found = read()
        return found if fulfils(found) else None

    return wait_until(text, "the Events", seconds=60)
