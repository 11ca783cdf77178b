"""Values that cannot work are refused before anything is installed, by a message that names them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.manifests import KUBERNETES, NEEDS_HELM, HelmError, Values, rendered, the

pytestmark = NEEDS_HELM


def at(path: str, value: Any) -> Values:
    """One value, given by its path."""
    for name in reversed(path.split(".")):
        value = {name: value}
    found: Values = value
    return found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("agnet", {}),
        ("agent.socket", "/run/containerd/containerd.sock"),
        ("agent.image.tagg", "1"),
        ("agent.resources.limit", {"memory": "1Gi"}),
        ("aggregator.podDisruptionBudget.minAvailable", 1),
        ("monitoring.serviceMonitor.enable", True),
    ],
)
def test_unknown_key(path: str, value: Any) -> None:
    """A key that does not exist is an error that names it, at every depth."""
    with pytest.raises(HelmError, match=path.rpartition(".")[2]):
        rendered(at(path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("logLevel", "verbose"),
        ("watchNamespaces", ["Team A"]),
        ("agent.containerd.preset", "docker"),
        ("agent.containerd.socket", "containerd.sock"),
        ("agent.containerd.socket", "/containerd.sock"),
        ("agent.containerd.socket", "/run/../containerd.sock"),
        ("agent.containerd.group", 0),
        ("agent.reportInterval", "1"),
        ("aggregator.writeBudget", 0),
        ("aggregator.kubernetesEvents.budget", 0),
        ("aggregator.streams.max", 0),
        ("aggregator.streams.trustedProxies", ["everybody"]),
        ("aggregator.allowedHosts", ["pulltrace.example.com:8080"]),
        ("aggregator.allowedHosts", ["https://pulltrace.example.com"]),
        ("agent.image.digest", "sha256:abc"),
        ("aggregator.replicas", "two"),
        ("service.port", 70000),
        ("ingress.hosts", []),
        ("apiPriority.shares", 0),
    ],
)
def test_wrong_value(path: str, value: Any) -> None:
    """A value of the wrong form is an error that names its key."""
    with pytest.raises(HelmError, match=path.rpartition(".")[2]):
        rendered(at(path, value))


SYSTEM_NAMESPACES = ("kube-system", "kube-node-lease", "kube-public")


@pytest.mark.parametrize("namespace", SYSTEM_NAMESPACES)
@pytest.mark.parametrize(
    ("values", "kubernetes", "reason"),
    [
        ({"agent": {"perNodePolicy": {"enabled": False}}}, KUBERNETES, "agent.perNodePolicy.enabled is false"),
        ({}, "1.29.9", "Kubernetes v1.29.9 is older than 1.30"),
    ],
    ids=["switched off", "old cluster"],
)
def test_namespace_of_kubernetes_needs_the_policy(namespace: str, values: Values, kubernetes: str, reason: str) -> None:
    """Without the per-node policy the chart refuses a namespace whose Leases belong to Kubernetes, and gives the reason."""
    with pytest.raises(HelmError, match=f"namespace {namespace} belongs to Kubernetes.*{reason}"):
        rendered(values, kubernetes=kubernetes, namespace=namespace)


@pytest.mark.parametrize("namespace", SYSTEM_NAMESPACES)
def test_namespace_of_kubernetes_with_the_policy(namespace: str) -> None:
    """With the per-node policy the chart takes these namespaces, and the policy speaks of that namespace."""
    policy = the(rendered(namespace=namespace), "ValidatingAdmissionPolicy")["spec"]

    assert policy["matchConstraints"]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}
    assert f"'system:serviceaccount:{namespace}:pulltrace-agent'" in policy["matchConditions"][0]["expression"]


def test_route_needs_a_gateway() -> None:
    """An HTTPRoute that belongs to no Gateway would lead nowhere."""
    with pytest.raises(HelmError, match="name the Gateway"):
        rendered({"httpRoute": {"enabled": True}})
