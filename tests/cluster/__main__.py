"""The cluster by hand: `python -m tests.cluster up`, `shell`, `down` (as root).

It stays until `down`, whatever happens to the terminal, and does not meet the clusters of test runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

from tests.cluster import binaries
from tests.cluster.api import ApiError, Identity
from tests.cluster.cluster import USER, Cluster
from tests.cluster.pki import Certificate

NAME = "pulltrace-hand"
NUMBER = 231


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "shell"])
    command = parser.parse_args().command
    if os.geteuid() != 0:
        raise SystemExit("a cluster needs root: network namespaces, mounts and containers")
    cluster = Cluster(NAME, NUMBER, stays=True)
    {"up": up, "down": down, "shell": shell}[command](cluster)


def up(cluster: Cluster) -> None:
    """Start the cluster, unless it is there and works, and say how to use it."""
    if works(cluster):
        print("The cluster is up already.")
    else:
        binaries.prepare()
        started = time.monotonic()
        try:
            cluster.start()
        except BaseException:
            cluster.remove()
            raise
        print(f"The cluster is up after {time.monotonic() - started:.0f} s.")
    host = cluster.network.hub_address
    print(f"  kubectl, helm and ctr:  python -m tests.cluster shell  (or KUBECONFIG={cluster.kubeconfig})")
    print(f"  push images to:         http://{host}:5000; pods name them registry.test/… or direct.test/…")
    for node in cluster.nodes:
        print(f"  {node.name}: containerd {node.options.version}, {node.address},", end=" ")
        print(f"slow it down: curl -X PUT -d 1000000 http://{host}:{5000 + node.number}/_proxy/rate")
    print("  remove everything:      python -m tests.cluster down")


def down(cluster: Cluster) -> None:
    """Remove the cluster and all that it left."""
    cluster.remove()
    print("The cluster is gone.")


def shell(cluster: Cluster) -> None:
    """Open a shell in which kubectl, helm and, for each node, ctr-N talk to the cluster."""
    if not works(cluster):
        raise SystemExit("the cluster is not up: python -m tests.cluster up")
    folder = cluster.folder / "bin"
    folder.mkdir(exist_ok=True)
    programs = {"kubectl": f'"{binaries.kubernetes("kubectl")}"', "helm": f'"{binaries.helm()}"'}
    for node in cluster.nodes:
        ctr = binaries.debian("ctr") if node.options.version == "1.6" else binaries.containerd2("ctr")
        programs[f"ctr-{node.number}"] = f'"{ctr}" --address {node.folder}/run/containerd/containerd.sock -n k8s.io'
    for name, words in programs.items():
        script = folder / name
        script.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.kubeconfig),
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PS1": "pulltrace-cluster# ",
    }
    print(f"In this shell: {', '.join(programs)}. Leave it with exit; the cluster stays.")
    sys.exit(subprocess.run([os.environ.get("SHELL", "/bin/sh")], env=environment, check=False).returncode)


def works(cluster: Cluster) -> bool:
    """Return whether a cluster that was started earlier answers."""
    pki = cluster.folder / "control-plane" / "pki"
    certificate = Certificate(pki / f"user-{USER}.crt", pki / f"user-{USER}.key")
    url = f"https://{cluster.network.hub_address}:6443"
    try:
        return bool(Identity(url, pki / "ca.crt", certificate).get("/api/v1/nodes")["items"])
    except (ApiError, OSError):
        return False


if __name__ == "__main__":
    main()
