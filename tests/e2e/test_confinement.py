"""What the running containers can do, as the kernel says: /proc of their processes, on both nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.e2e.installs import PROGRAMS, Helm, pods
from tests.e2e.test_agent import pids

pytestmark = pytest.mark.e2e

USERS = {"agent": 0, "aggregator": 65532}
FILTER = "2"
"""Seccomp by a filter."""
LISTENS = "0A"


@pytest.fixture(params=PROGRAMS)
def processes(request: pytest.FixtureRequest, helm_install: Helm, cluster: Cluster) -> tuple[str, list[Path]]:
    """The program, and /proc of each of its processes on all nodes."""
    program: str = request.param
    found = [Path("/proc", str(pid)) for node in cluster.nodes for pid in pids(node, program)]
    assert len(found) == (len(cluster.nodes) if program == "agent" else 1)
    return program, found


def status(process: Path) -> dict[str, str]:
    lines = (process / "status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def mounts(process: Path) -> dict[str, set[str]]:
    """The options of each mount that the process sees, by its place."""
    lines = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
    return {line[4]: set(line[5].split(",")) for line in lines}


def namespace(pid: int | str, kind: str) -> str:
    return str(Path("/proc", str(pid), "ns", kind).readlink())


def test_no_rights(processes: tuple[str, list[Path]]) -> None:
    """No capability is there or can be had, no program can give more rights, and a filter stands before the kernel."""
    program, found = processes
    for process in found:
        says = status(process)
        capabilities = {name: int(says[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}

        assert not any(capabilities.values()), (process, capabilities)
        assert (says["NoNewPrivs"], says["Seccomp"]) == ("1", FILTER)
        assert set(says["Uid"].split()) == {str(USERS[program])}


def test_nothing_can_be_written(processes: tuple[str, list[Path]]) -> None:
    """The root and what is mounted of the node are read-only; what is not is the container's own or the kernel's."""
    program, found = processes
    for process in found:
        options = mounts(process)
        writable = {place for place, has in options.items() if "rw" in has}

        assert "ro" in options["/"]
        assert not {place for place in writable if not place.startswith(("/proc", "/dev", "/etc/host", "/etc/resolv"))}
        assert any("containerd" in place for place in options) is (program == "agent")


def test_namespaces_of_its_own(processes: tuple[str, list[Path]], cluster: Cluster) -> None:
    """It sees neither the processes nor the network of its node, nor of this machine."""
    _, found = processes
    for kind in ("pid", "net", "ipc", "mnt", "uts"):
        others = {namespace("self", kind), *(namespace(node.machine.pid, kind) for node in cluster.nodes)}
        own = {namespace(process.name, kind) for process in found}

        assert len(own) == len(found)
        assert not own & others, kind


def test_who_listens(processes: tuple[str, list[Path]]) -> None:
    """An agent listens on nothing; the aggregator on the port of the API and on that of the metrics."""
    program, found = processes
    for process in found:
        lines = [line.split() for name in ("tcp", "tcp6") for line in (process / "net" / name).read_text().splitlines()]
        ports = {int(line[1].rpartition(":")[2], 16) for line in lines if line[3] == LISTENS}

        assert ports == (set() if program == "agent" else {8080, 9090})


def test_one_token(helm_install: Helm, cluster: Cluster) -> None:
    """Each pod has the one token that it needs: none was put there by the cluster beside it."""
    for pod in pods(cluster):
        sources = [
            source for volume in pod["spec"]["volumes"] for source in volume.get("projected", {}).get("sources", [])
        ]
        mounted = [one["mountPath"] for container in pod["spec"]["containers"] for one in container["volumeMounts"]]

        assert len([source for source in sources if "serviceAccountToken" in source]) == 1
        assert len([place for place in mounted if "serviceaccount" in place]) == 1
