"""One cluster for all tests, and on it the install that a test names."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.cluster import binaries
from tests.cluster.cluster import Cluster
from tests.cluster.nodes import Node
from tests.deploy import images
from tests.e2e.installs import Helm, Kustomize, Stage
from tests.e2e.reach import Forward
from tests.e2e.workloads import NAMESPACE, Shop
from tests.real.test_page import ARTIFACTS, BROWSER_FLAGS


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Provide a folder for files of the run that a person may read."""
    folder = ARTIFACTS / "e2e"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Provide a cluster of two nodes, with Pulltrace's images in its registry and a namespace for the tests' pods."""
    built = images.build()
    with Cluster() as cluster:
        for image in built.values():
            image.push(cluster.registry.url)
        cluster.kubectl("create", "namespace", NAMESPACE)
        for node in cluster.nodes:
            wait_for(cluster, "kube-node-lease", f"lease/{node.name}")
        for made in ("serviceaccount/default", "configmap/kube-root-ca.crt"):
            wait_for(cluster, NAMESPACE, made)
        yield cluster


def wait_for(cluster: Cluster, namespace: str, what: str) -> None:
    """Wait for an object that the cluster makes by itself, so that it is not taken for one of an install."""
    cluster.kubectl("wait", "--namespace", namespace, "--for=create", what, "--timeout=60s")


@pytest.fixture(scope="session")
def stage(cluster: Cluster, artifacts: Path) -> Iterator[Stage]:
    """Provide the installs; their logs are kept."""
    stage = Stage(cluster)
    yield stage
    stage.keep_logs(artifacts)


@pytest.fixture
def helm_install(stage: Stage) -> Helm:
    """Install Pulltrace by `helm install`."""
    helm = Helm(stage.cluster)
    stage.bring(helm)
    return helm


@pytest.fixture
def kustomize_install(stage: Stage) -> Kustomize:
    """Install Pulltrace by `kubectl apply -k`."""
    kustomize = Kustomize(stage.cluster)
    stage.bring(kustomize)
    return kustomize


@pytest.fixture
def pulltrace(helm_install: Helm, cluster: Cluster, tmp_path: Path) -> Iterator[Forward]:
    """Provide the way to an installed Pulltrace."""
    with Forward(cluster, tmp_path) as forward:
        yield forward


@pytest.fixture(params=(0, 1), ids=("containerd-1.6", "containerd-2.1"))
def node(cluster: Cluster, request: pytest.FixtureRequest) -> Node:
    """Provide each of the nodes."""
    number: int = request.param
    return cluster.nodes[number]


@pytest.fixture
def shop(cluster: Cluster) -> Iterator[Shop]:
    """Provide a namespace for the pods of a test; afterwards they are gone and every link is fast again."""
    shop = Shop(cluster)
    yield shop
    for node in cluster.nodes:
        node.proxy.clear()
    shop.close()


@pytest.fixture
def page() -> Iterator[Page]:
    """Provide a page of Debian's Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binaries.debian("chromium"), args=list(BROWSER_FLAGS))
        yield browser.new_page(viewport={"width": 1280, "height": 800})
        browser.close()
