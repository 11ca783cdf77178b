"""Pulltrace as a user reaches it, and the rows that a test asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.cluster import Cluster
from tests.cluster.images import Image
from tests.cluster.nodes import Node
from tests.cluster.processes import Process, free_port
from tests.e2e.installs import NAMESPACE
from tests.real.programs import Row, Server


class Forward(Server):
    """The Service by `kubectl port-forward`, as the notes of the install say."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        kubectl = [
            str(binaries.kubernetes("kubectl")),
            f"--kubeconfig={cluster.kubeconfig}",
            f"--namespace={NAMESPACE}",
        ]
        ports = [f"{self.port}:8080", f"{self.metrics_port}:9090"]
        self.process = Process([*kubectl, "port-forward", "service/pulltrace", *ports], folder / "port-forward.log")

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def row(
        self,
        image: Image,
        node: Node,
        condition: Callable[[Row], bool] = lambda row: True,
        what: str = "to appear",
        seconds: float = 30,
    ) -> Row:
        """The newest row of this image on this node, as soon as it fulfils a condition."""
        found: list[Row] = []

        def fulfils(rows: list[Row]) -> bool:
            mine = [row for row in rows if row["nodeName"] == node.name and is_of(row, image)]
            found[:] = sorted(mine, key=lambda row: str(row["startedAt"]))[-1:]
            return bool(found) and condition(found[0])

        self.wait_for(fulfils, f"the row of {image.ref} on {node.name} {what}", seconds)
        return found[0]

    def moving(self, image: Image, node: Node, percent: float = 10) -> Row:
        """The row of an image once so much of it has been downloaded."""
        return self.row(image, node, lambda row: row["percent"] > percent, f"to be over {percent} %")

    def ended_row(self, image: Image, node: Node, seconds: float = 60) -> Row:
        """The row of an image once its pull has ended."""
        return self.row(image, node, lambda row: "completedAt" in row, "to have ended", seconds)


def is_of(row: Row, image: Image) -> bool:
    """Whether the row is of this image, by its name or by its repository."""
    return row["imageRef"] in (*image.refs, image.ref.rpartition(":")[0], image.digest_ref)
