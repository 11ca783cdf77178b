"""The cluster of a run, with Pulltrace on it as users install it, and two replicas of the aggregator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pulltrace import __version__
from tests.cluster.cluster import Cluster
from tests.cluster.cri import pull_now
from tests.cluster.nodes import DIRECT_HOST
from tests.cluster.nodes import Options as NodeOptions
from tests.cluster.processes import wait_until
from tests.deploy import images
from tests.e2e.installs import PROGRAMS, Helm, wait_until_ready
from tests.e2e.replicas import holder
from tests.e2e.workloads import NAMESPACE

NODES = (NodeOptions("1.6"), NodeOptions("2.1", serialize_image_pulls=False))
"""One node pulls an image at a time, as kubelets do by default; the other for all of its pods at once."""
REPLICAS = 2


@contextmanager
def scene() -> Iterator[Cluster]:
    """Start everything, and wait for a leader."""
    built = images.build()
    with Cluster("pulltrace-chaos", 233, NODES) as cluster:
        for image in built.values():
            image.push(cluster.registry.url)
        # A kubelet pulls one image after another: a pod of Pulltrace must not wait for the pulls of the run.
        for node in cluster.nodes:
            for program in PROGRAMS:
                pull_now(node.containerd.socket, f"{DIRECT_HOST}/pulltrace-{program}:{__version__}")
        cluster.kubectl("create", "namespace", NAMESPACE)
        for made in ("serviceaccount/default", "configmap/kube-root-ca.crt"):
            cluster.kubectl("wait", "--namespace", NAMESPACE, "--for=create", made, "--timeout=60s")
        # An agent that starts again while its node is idle would report the pulls that ended meanwhile up to 30 s later.
        helm = Helm(cluster, "agent.startSpread=0s")
        helm.install()
        helm.upgrade(f"aggregator.replicas={REPLICAS}")
        wait_until_ready(cluster)
        wait_until(lambda: holder(cluster), "a leader")
        yield cluster
