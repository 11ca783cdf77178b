"""The two documented ways to install Pulltrace, and the install that is on the cluster now.

Only the registry differs from the documentation: the images come from the cluster's own. `Stage` keeps one install
at a time: a test names the one that it needs, and only the missing steps are done.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Protocol

from tests.cluster.api import JSON
from tests.cluster.cluster import Cluster
from tests.cluster.nodes import DIRECT_HOST
from tests.cluster.processes import wait_until
from tests.deploy.manifests import CHART, KUSTOMIZE, Object

NAMESPACE = "pulltrace"
READY_SECONDS = 60
"""Limit of an install, until all of its pods are ready."""
GONE_SECONDS = 60
REPORTED_SECONDS = 45
"""The default start spread of 30 s, and time for Python to start on a busy machine."""
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
PROGRAMS = ("agent", "aggregator")
UPSTREAM = "ghcr.io/d44b/pulltrace-{}"
"""Where the images are published."""
NOT_OURS = frozenset({"events", "componentstatuses"})
"""Kinds that come and go, or are no objects."""


class Install(Protocol):
    """A way to install Pulltrace on a cluster."""

    def install(self) -> None: ...

    def uninstall(self) -> None: ...


class Helm:
    """`helm install` with the chart's defaults; `settings` (`name=value`) hold for upgrades, too."""

    def __init__(self, cluster: Cluster, *settings: str) -> None:
        self._cluster = cluster
        self._settings = settings

    def install(self) -> None:
        self._helm("install", "--create-namespace")

    def upgrade(self, *settings: str) -> None:
        """`helm upgrade`, and `name=value` for what changes."""
        self._helm("upgrade", *(f"--set={setting}" for setting in settings))

    def test(self) -> str:
        """`helm test`."""
        return self._cluster.helm("test", "pulltrace", "--namespace", NAMESPACE)

    def uninstall(self) -> None:
        self._cluster.helm("uninstall", "pulltrace", "--namespace", NAMESPACE, "--wait")

    def _helm(self, command: str, *options: str) -> None:
        images = [f"--set={name}.image.repository={DIRECT_HOST}/pulltrace-{name}" for name in PROGRAMS]
        settings = [f"--set={setting}" for setting in self._settings]
        self._cluster.helm(command, "pulltrace", str(CHART), "--namespace", NAMESPACE, *images, *settings, *options)


class Kustomize:
    """`kubectl apply -k` of an overlay over the default one that names other images."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._overlay = cluster.folder / "kustomize" / "overlays" / "local"

    def install(self) -> None:
        # NOTE: kustomize takes resources by relative paths only, so the overlay stands beside a copy of ours.
        shutil.copytree(KUSTOMIZE, self._overlay.parents[1], dirs_exist_ok=True)
        self._overlay.mkdir(exist_ok=True)
        images = [{"name": UPSTREAM.format(name), "newName": f"{DIRECT_HOST}/pulltrace-{name}"} for name in PROGRAMS]
        (self._overlay / "kustomization.yaml").write_text(json.dumps({"resources": ["../default"], "images": images}))
        self._cluster.kubectl("apply", "-k", str(self._overlay))

    def uninstall(self) -> None:
        self._cluster.kubectl("delete", "-k", str(self._overlay), "--timeout=60s")


class Stage:
    """The install that is on the cluster now."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.before = objects(cluster)
        """All objects of the cluster before the first install."""
        self.ready_seconds = 0.0
        """How long the install took until all pods were ready."""
        self._installed: Install | None = None

    def bring(self, wanted: Install) -> None:
        """Install it in this way, unless it is."""
        if type(wanted) is type(self._installed):
            return
        self.clear()
        self._installed = wanted
        begin = time.monotonic()
        wanted.install()
        wait_until_ready(self.cluster)
        self.ready_seconds = time.monotonic() - begin
        wait_until_reported(self.cluster)

    def uninstall(self) -> None:
        """Uninstall it, as far as its own command goes."""
        if self._installed is not None:
            self._installed.uninstall()
            self._installed = None

    def clear(self) -> None:
        """Uninstall it with its namespace."""
        self.uninstall()
        self.cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s")

    def keep_logs(self, folder: Path) -> None:
        """Write the pods' logs into a folder."""
        for name, text in logs(self.cluster).items():
            (folder / f"{name}.log").write_text(text, encoding="utf-8")


def pods(cluster: Cluster, component: str = "", node: str = "") -> list[JSON]:
    """Return Pulltrace's pods, of one component or on one node."""
    labels = "app.kubernetes.io/name=pulltrace" + (f",app.kubernetes.io/component={component}" if component else "")
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector={labels}"
    found: list[JSON] = cluster.user.get(path + (f"&fieldSelector=spec.nodeName={node}" if node else ""))["items"]
    return found


def wait_until_ready(cluster: Cluster) -> None:
    """Wait until an agent on each node and an aggregator are ready, and no pod of an earlier version is left."""

    def ready() -> bool:
        apps = f"/apis/apps/v1/namespaces/{NAMESPACE}"
        agents = cluster.user.get(f"{apps}/daemonsets/pulltrace-agent")
        aggregator = cluster.user.get(f"{apps}/deployments/pulltrace-aggregator")
        return (
            all(_is_observed(one) for one in (agents, aggregator))
            and agents["status"]["desiredNumberScheduled"] == len(cluster.nodes)
            and agents["status"].get("numberReady")
            == agents["status"].get("updatedNumberScheduled")
            == len(cluster.nodes)
            and aggregator["status"].get("readyReplicas")
            == aggregator["status"].get("replicas")
            == aggregator["spec"]["replicas"]
            and aggregator["status"].get("updatedReplicas") == aggregator["spec"]["replicas"]
        )

    try:
        wait_until(ready, "all of Pulltrace's pods to be ready", seconds=READY_SECONDS)
    except AssertionError as error:
        described = cluster.kubectl("describe", "pods", "--namespace", NAMESPACE)
        raise AssertionError("\n".join([str(error), described, *logs(cluster).values()])) from None


def wait_until_reported(cluster: Cluster) -> None:
    """Wait for the Lease of every node: an idle agent writes it up to 30 s after its start."""
    names = {node.name for node in cluster.nodes}

    def reported() -> bool:
        return names <= {lease["metadata"]["name"] for lease in cluster.user.get(LEASES)["items"]}

    wait_until(reported, "the Lease of every node", seconds=REPORTED_SECONDS)


def logs(cluster: Cluster) -> dict[str, str]:
    """Return the logs of Pulltrace's containers in their last runs, by the name of the pod."""
    found = {}
    for pod in pods(cluster):
        name = pod["metadata"]["name"]
        options = [name, "--namespace", NAMESPACE, "--prefix"]
        found[name] = cluster.kubectl("logs", *options)
        if any(container["restartCount"] for container in pod["status"].get("containerStatuses", [])):
            found[name] = cluster.kubectl("logs", "--previous", *options) + found[name]
    return found


def objects(cluster: Cluster) -> set[str]:
    """Return every object of the cluster, in a namespace or not: `kind.group namespace/name`."""
    groups = [
        (group["name"], group["preferredVersion"]["groupVersion"]) for group in cluster.user.get("/apis")["groups"]
    ]
    found = set()
    for group, path in [("", "/api/v1"), *((group, f"/apis/{version}") for group, version in groups)]:
        for kind in cluster.user.get(path)["resources"]:
            name = kind["name"]
            if "list" in kind["verbs"] and name not in NOT_OURS:
                for one in cluster.user.get(f"{path}/{name}")["items"]:
                    metadata = one["metadata"]
                    found.add(f"{name}.{group} {metadata.get('namespace', '')}/{metadata['name']}")
    return found


def _is_observed(one: Object) -> bool:
    seen: bool = one["status"].get("observedGeneration") == one["metadata"]["generation"]
    return seen
