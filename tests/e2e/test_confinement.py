"""The rights of the running containers, read from the kernel: /proc of their processes, on both nodes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.nodes import Node
from tests.e2e.installs import PROGRAMS, Helm, pods
from tests.e2e.replicas import pids

pytestmark = pytest.mark.e2e

USERS = {"agent": 0, "aggregator": 65532}
HOST = "/host/run/containerd"
OWN = ("/proc", "/dev", "/etc/host", "/etc/resolv", "/sys/fs/cgroup")
"""Mounts that every container has; they are its own or the kernel's."""
FILTER = "2"
"""Seccomp by a filter."""
LISTENS = "0A"


class Running(NamedTuple):
    """A process of Pulltrace in a container."""

    program: str
    node: Node
    process: Path
    """Its folder in /proc."""

    def status(self, name: str) -> str:
        lines = (self.process / "status").read_text().splitlines()
        return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}[name]

    def mounts(self) -> dict[str, set[str]]:
        """Return the options of each mount that the process sees, by its place."""
        lines = [line.split() for line in (self.process / "mountinfo").read_text().splitlines()]
        return {line[4]: set(line[5].split(",")) for line in lines}


@pytest.fixture(params=PROGRAMS)
def running(request: pytest.FixtureRequest, helm_install: Helm, cluster: Cluster) -> list[Running]:
    """Provide the processes of a program on all nodes."""
    program: str = request.param
    found = [Running(program, node, Path("/proc", str(pid))) for node in cluster.nodes for pid in pids(node, program)]
    assert len(found) == (len(cluster.nodes) if program == "agent" else 1)
    return found


def test_no_rights(running: list[Running]) -> None:
    """Containers have no capability and cannot get one, no program can give more rights, and seccomp filters calls."""
    for one in running:
        sets = {name: int(one.status(name), 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}

        assert not any(sets.values()), sets
        assert (one.status("NoNewPrivs"), one.status("Seccomp")) == ("1", FILTER)
        assert set(one.status("Uid").split()) == {str(USERS[one.program])}


def test_nothing_can_be_written(running: list[Running]) -> None:
    """The root and the mounts of the node are read-only; the other mounts are the container's own or the kernel's."""
    for one in running:
        mounts = one.mounts()
        writable = {place for place, options in mounts.items() if "rw" in options and not place.startswith(OWN)}
        if one.node.options.version == "1.6":  # the mount cannot make those below it read-only, too
            writable = {place for place in writable if not place.startswith(f"{HOST}/")}

        assert "ro" in mounts["/"]
        assert (HOST in mounts) is (one.program == "agent")
        assert writable == set()


def test_namespaces_of_its_own(running: list[Running], cluster: Cluster) -> None:
    """It sees neither the processes nor the network of its node, nor of this machine."""
    others = [Path("/proc/self"), *(Path("/proc", str(node.machine.pid)) for node in cluster.nodes)]
    for kind in ("pid", "net", "ipc", "mnt", "uts"):
        own = {(one.process / "ns" / kind).readlink() for one in running}

        assert len(own) == len(running)
        assert not own & {(other / "ns" / kind).readlink() for other in others}, kind


def test_who_listens(running: list[Running]) -> None:
    """An agent listens on nothing; the aggregator on the port of the API and on that of the metrics."""
    for one in running:
        tables = [(one.process / "net" / name).read_text() for name in ("tcp", "tcp6")]
        lines = [line.split() for table in tables for line in table.splitlines()]
        ports = {int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == LISTENS}

        assert ports == (set() if one.program == "agent" else {8080, 9090})


def test_one_token(helm_install: Helm, cluster: Cluster) -> None:
    """Each pod has only the token that it needs: the cluster adds none."""
    for pod in pods(cluster):
        volumes, containers = pod["spec"]["volumes"], pod["spec"]["containers"]
        sources = [source for volume in volumes for source in volume.get("projected", {}).get("sources", [])]
        mounted = [mount["mountPath"] for container in containers for mount in container["volumeMounts"]]

        assert len([source for source in sources if "serviceAccountToken" in source]) == 1
        assert len([place for place in mounted if "serviceaccount" in place]) == 1
