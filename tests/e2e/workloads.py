"""The users' part: images of their own, and Deployments and pods that need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.cluster import binaries
from tests.cluster.api import JSON
from tests.cluster.cluster import Cluster
from tests.cluster.images import Image, Layer, file_layer, random_layer
from tests.cluster.nodes import Node
from tests.cluster.processes import wait_until

MB = 1_000_000
NAMESPACE = "shop"
SLEEP = ("/bin/busybox", "sleep", "1000000")


class Shop:
    """A namespace with the pods of one test."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.pods_path = f"/api/v1/namespaces/{NAMESPACE}/pods"
        self._deployments_path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"

    def image(self, name: str, *sizes: int, base: Sequence[Layer] = (), tag: str = "1") -> Image:
        """Push `registry.test/shop/NAME:TAG`: a program, and a layer of each size that no other image has."""
        program = {"bin/busybox": binaries.debian("busybox").read_bytes(), "name": f"{name}:{tag}".encode()}
        seeds = [f"{name}-{tag}-{number}" for number in range(len(sizes))]
        unique = [random_layer(size, seed=seed) for size, seed in zip(sizes, seeds, strict=True)]
        layers = [*base, file_layer(program), *unique]
        return self._cluster.slow.push(f"{NAMESPACE}/{name}", layers, tags=(tag,), index=True, entrypoint=SLEEP)

    def deploy(self, name: str, image: Image | Mapping[str, Image], replicas: int, node: Node | None = None) -> None:
        """Create a Deployment whose pods (of one container, or of several) are spread over the nodes, or all on one."""
        labels = {"app": name}
        spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
        containers = image if isinstance(image, Mapping) else {name: image}
        pod = _pod(containers, node) | {"topologySpreadConstraints": []}
        if node is None:
            pod["topologySpreadConstraints"] = [spread | {"labelSelector": {"matchLabels": labels}}]
        spec = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        self._cluster.user.create(self._deployments_path, {"metadata": {"name": name}, "spec": spec})

    def run(
        self, name: str, images: Mapping[str, Image | str], node: Node, *, init: Mapping[str, Image] | None = None
    ) -> None:
        """Create a pod with these containers on a node; `init` end at once."""
        spec = _pod(images, node)
        if init:
            ends = ["/bin/busybox", "true"]
            spec["initContainers"] = [{"name": key, "image": image.ref, "command": ends} for key, image in init.items()]
        self._cluster.user.create(self.pods_path, {"metadata": {"name": name}, "spec": spec})

    def pods(self, node: Node | None = None) -> list[JSON]:
        """Return the pods, on one node or on all."""
        found: list[JSON] = self._cluster.user.get(self.pods_path)["items"]
        return [pod for pod in found if node is None or pod["spec"].get("nodeName") == node.name]

    def names(self, node: Node) -> list[str]:
        """Return the names of the pods on a node."""
        return sorted(pod["metadata"]["name"] for pod in self.pods(node))

    def withdraw(self, name: str) -> None:
        """Delete a Deployment and wait until its pods are gone."""
        self._cluster.user.delete(f"{self._deployments_path}/{name}")
        wait_until(lambda: not self.pods(), "the pods to be gone", seconds=60)

    def all_run(self, count: int, seconds: float = 60) -> None:
        """Wait until so many pods run, and no other exists."""

        def running() -> bool:
            return [pod["status"].get("phase") for pod in self.pods()] == ["Running"] * count

        wait_until(running, f"{count} pods to run", seconds=seconds)

    def close(self) -> None:
        """Delete the pods and wait until they are gone."""
        self._cluster.user.delete(self._deployments_path)
        self._cluster.user.delete(f"{self.pods_path}?gracePeriodSeconds=0")
        wait_until(lambda: not self.pods(), "the pods to be gone", seconds=60)


def _pod(images: Mapping[str, Image | str], node: Node | None) -> JSON:
    containers = [
        {"name": name, "image": image if isinstance(image, str) else image.ref} for name, image in images.items()
    ]
    spec: JSON = {"containers": containers, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    return spec | ({"nodeName": node.name} if node else {})
