"""Pulltrace as a user reaches it, and the rows that a test asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.cluster import Cluster
from tests.cluster.images import Image
from tests.cluster.nodes import Node
from tests.cluster.processes import Process, free_port
from tests.e2e.installs import NAMESPACE
from tests.e2e.workloads import NAMESPACE as WORKLOADS
from tests.real.programs import Row, Server


class Forward(Server):
    """The Service by `kubectl port-forward`, as the notes of the install say; or one pod of it."""

    def __init__(self, cluster: Cluster, folder: Path, target: str = "service/pulltrace") -> None:
        self.port, self.metrics_port = free_port(), free_port()
        kubectl = [
            str(binaries.kubernetes("kubectl")),
            f"--kubeconfig={cluster.kubeconfig}",
            f"--namespace={NAMESPACE}",
        ]
        ports = [f"{self.port}:8080", f"{self.metrics_port}:9090"]
        log = folder / f"port-forward-{target.replace('/', '-')}.log"
        self.process = Process([*kubectl, "port-forward", target, *ports], log)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.port}/"

    def ask(self, path: str) -> Row:
        """Return an answer of the API."""
        found: Row = json.loads(self.get(self.port, path))
        return found

    def pod(
        self,
        name: str,
        condition: Callable[[Row], bool] = lambda pod: True,
        what: str = "to appear",
        seconds: float = 30,
    ) -> Row:
        """Return the row of a pod of the tests' namespace, as soon as it fulfils a condition."""

        def pod() -> Row | None:
            mine = [one for one in self.ask(f"/api/v1/pods?namespace={WORKLOADS}")["pods"] if one["podName"] == name]
            return mine[0] if mine and condition(mine[0]) else None

        return self.process.wait_until(pod, f"pod {name} {what}", seconds=seconds)

    def row(
        self,
        image: Image,
        node: Node,
        condition: Callable[[Row], bool] = lambda row: True,
        what: str = "to appear",
        seconds: float = 30,
    ) -> Row:
        """Return the newest row of this image on this node, as soon as it fulfils a condition."""
        found: list[Row] = []

        def fulfils(rows: list[Row]) -> bool:
            mine = [row for row in rows if row["nodeName"] == node.name and is_of(row, image)]
            found[:] = sorted(mine, key=lambda row: str(row["startedAt"]))[-1:]
            return bool(found) and condition(found[0])

        self.wait_for(fulfils, f"the row of {image.ref} on {node.name} {what}", seconds)
        return found[0]

    def moving(self, image: Image, node: Node, percent: float = 10) -> Row:
        """Return the row of an image once so much of it has been downloaded, while its pull still runs."""

        def moves(row: Row) -> bool:
            return row["percent"] > percent and "completedAt" not in row

        return self.row(image, node, moves, f"to be over {percent} % and to run")

    def ended_row(self, image: Image, node: Node, seconds: float = 60) -> Row:
        """Return the row of an image once its pull has ended."""
        return self.row(image, node, lambda row: "completedAt" in row, "to have ended", seconds)


def is_of(row: Row, image: Image) -> bool:
    """Return whether the row is of this image, by its name or by its repository."""
    return row["imageRef"] in (*image.refs, image.ref.rpartition(":")[0], image.digest_ref)
