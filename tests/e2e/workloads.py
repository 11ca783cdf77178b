"""What the cluster's users do: images of their own, Deployments and pods that need them."""

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

    def image(self, name: str, *sizes: int, base: Sequence[Layer] = ()) -> Image:
        """Push `registry.test/shop/NAME:1`: a program, and a layer of each size that no other image has."""
        program = {"bin/busybox": binaries.debian("busybox").read_bytes(), "name": name.encode()}
        layers = [*base, file_layer(program), *(random_layer(size, seed=f"{name}-{n}") for n, size in enumerate(sizes))]
        return self._cluster.slow.push(f"{NAMESPACE}/{name}", layers, tags=("1",), index=True, entrypoint=SLEEP)

    def deploy(self, name: str, image: Image, replicas: int, node: Node | None = None) -> None:
        """A Deployment whose pods are spread over the nodes, or all on one."""
        labels = {"app": name}
        spread = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
        pod = _pod({name: image}, node) | {"topologySpreadConstraints": []}
        if node is None:
            pod["topologySpreadConstraints"] = [spread | {"labelSelector": {"matchLabels": labels}}]
        spec = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        self._cluster.user.create(self._deployments_path, {"metadata": {"name": name}, "spec": spec})

    def run(self, name: str, images: Mapping[str, Image], node: Node) -> None:
        """A pod with these containers on a node."""
        self._cluster.user.create(self.pods_path, {"metadata": {"name": name}, "spec": _pod(images, node)})

    def pods(self, node: Node | None = None) -> list[JSON]:
        """The pods, on one node or on all."""
        found: list[JSON] = self._cluster.user.get(self.pods_path)["items"]
        return [pod for pod in found if node is None or pod["spec"].get("nodeName") == node.name]

    def names(self, node: Node) -> list[str]:
        """The names of the pods on a node."""
        return sorted(pod["metadata"]["name"] for pod in self.pods(node))

    def all_run(self, count: int, seconds: float = 60) -> None:
        """Wait until so many pods run, and none else is there."""

        def running() -> bool:
            return [pod["status"].get("phase") for pod in self.pods()] == ["Running"] * count

        wait_until(running, f"{count} pods to run", seconds=seconds)

    def close(self) -> None:
        """Delete the pods and wait until they are gone."""
        self._cluster.user.delete(self._deployments_path)
        self._cluster.user.delete(f"{self.pods_path}?gracePeriodSeconds=0")
        wait_until(lambda: not self.pods(), "the pods to be gone", seconds=60)


def _pod(images: Mapping[str, Image], node: Node | None) -> JSON:
    containers = [{"name": name, "image": image.ref} for name, image in images.items()]
    spec: JSON = {"containers": containers, "terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False}
    return spec | ({"nodeName": node.name} if node else {})
