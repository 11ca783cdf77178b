"""An endless rollout: pods with new images on every node, some of which cannot be pulled.

Each pod has its own image. A pod is deleted once it runs, or when the kubelet has had time for some failures. On the
node that pulls for several pods at once, some pods share an image.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException

from pulltrace.pulls.failures import PULL_FAILED
from tests.chaos.spans import Span
from tests.cluster.api import JSON, ApiError
from tests.cluster.cluster import Cluster
from tests.cluster.faults import Fault
from tests.cluster.images import Image, random_layer
from tests.cluster.nodes import Node
from tests.e2e.workloads import MB, Shop

RATE = 2.5 * MB
"""Bytes a second of each node's link."""
WIDTH = 3
"""Waiting pods of a node."""
POLL_SECONDS = 0.3
WELL_SECONDS = 90.0
"""A pod that does not run after this long is deleted."""
FAILURES: dict[str, Callable[[str], Fault]] = {
    "404": lambda repository: Fault(f"/v2/{repository}/manifests/", status=404, hang_seconds=1.5),
    "404 at once": lambda repository: Fault(f"/v2/{repository}/manifests/", status=404),
    "401": lambda repository: Fault(f"/v2/{repository}/manifests/", status=401),
    "503": lambda repository: Fault(f"/v2/{repository}/manifests/", status=503),
    "503 of a layer": lambda repository: Fault(f"/v2/{repository}/blobs/", status=503),
    "cut": lambda repository: Fault(f"/v2/{repository}/blobs/", cut_after_bytes=0),
}
SHARE_FAILING = 0.25
SHARE_WITHDRAWN = 0.1
SHARE_TWINS = 0.15
SHARE_BASED = 0.3


@dataclass
class Released:
    """A pod of the rollout."""

    name: str
    node: Node
    fault: int | None
    leaves_at: float
    """Monotonic time at which it is deleted in any state."""


@dataclass
class Rollout:
    """Creates pods until it is stopped."""

    cluster: Cluster
    seed: int
    sizes: dict[str, int] = field(default_factory=dict)
    """The bytes of each image, by name."""
    failing: dict[str, dict[str, Span]] = field(default_factory=dict)
    """By node and image, the time during which a pod's status reported that it cannot be pulled."""

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._shop = Shop(self.cluster)
        self._base = random_layer(3 * MB, seed=f"base-{self.seed}")
        self._released: dict[str, Released] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rollout", daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        for node in self.cluster.nodes:
            node.proxy.set_rate(RATE)
        self._thread.start()

    def stop(self) -> None:
        """Stop new pods, remove the images' faults and delete every pod."""
        self._stopped.set()
        self._thread.join(60)
        for node in self.cluster.nodes:
            for one in self._released.values():
                if one.node is node and one.fault is not None:
                    node.proxy.remove_fault(one.fault)
            node.proxy.set_rate(None)
        self._shop.close()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            while not self._stopped.wait(POLL_SECONDS):
                with suppress(ApiError, OSError, HTTPException):  # the API server is down
                    self._step()
        except BaseException as failed:
            self.error = failed

    def _step(self) -> None:
        pods = {pod["metadata"]["name"]: pod for pod in self._shop.pods()}
        self._note_failures(pods.values())
        for name, pod in pods.items():
            one = self._released.get(name)
            if one is None or time.monotonic() > one.leaves_at or _runs(pod):
                self.cluster.user.delete(f"{self._shop.pods_path}/{name}?gracePeriodSeconds=0")
        for name in [name for name in self._released if name not in pods]:
            one = self._released.pop(name)
            if one.fault is not None:
                one.node.proxy.remove_fault(one.fault)
        for node in self.cluster.nodes:
            if sum(one.node is node for one in self._released.values()) < WIDTH:
                self._release(node)

    def _note_failures(self, pods: Iterable[JSON]) -> None:
        now = time.time()
        for pod in pods:
            for status in pod["status"].get("containerStatuses", ()):
                if status["state"].get("waiting", {}).get("reason") in PULL_FAILED:
                    images = self.failing.setdefault(pod["spec"]["nodeName"], {})
                    first = images.get(status["image"], Span(now, now)).began
                    images[status["image"]] = Span(first, now)

    def _release(self, node: Node) -> None:
        number, chance = len(self.sizes) + 1, self._chance
        name = f"chaos-{self.seed}-{number}"
        sizes = [int(chance.uniform(0.3, 3) * MB) for _ in range(chance.randint(1, 3))]
        image = self._shop.image(name, *sizes, base=[self._base] if chance.random() < SHARE_BASED else [])
        self.sizes[image.ref] = image.size
        kind, now = chance.random(), time.monotonic()
        fault, leaves_at = None, now + WELL_SECONDS
        if kind < SHARE_FAILING:
            fault = node.proxy.add(FAILURES[chance.choice(sorted(FAILURES))](image.repository))
            leaves_at = now + chance.uniform(6, 30)
        elif kind < SHARE_FAILING + SHARE_WITHDRAWN:
            leaves_at = now + chance.uniform(1, 4)
        names = [name]
        if not node.options.serialize_image_pulls and kind > 1 - SHARE_TWINS:
            names.append(f"{name}-twin")
        for one in names:
            self._released[one] = Released(one, node, fault if one == name else None, leaves_at)
            self._make(one, image, node)

    def _make(self, name: str, image: Image, node: Node) -> None:
        try:
            self._shop.run(name, {"main": image}, node)
        except (ApiError, OSError, HTTPException):
            # The pod may exist all the same; the next step finds and deletes it.
            one = self._released.pop(name)
            if one.fault is not None:
                node.proxy.remove_fault(one.fault)
            raise


def _runs(pod: JSON) -> bool:
    return bool(pod["status"].get("phase") == "Running")
