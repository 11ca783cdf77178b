"""The kustomize install: the same objects as the chart's, but for the labels that helm adds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.deploy.manifests import (
    KUBERNETES,
    KUSTOMIZE,
    NEEDS_HELM,
    Key,
    Object,
    Values,
    kustomized,
    rendered,
    the,
    without,
)

pytestmark = NEEDS_HELM

HELMS_LABELS = ("app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart")
NAMESPACE: Key = ("Namespace", "", "pulltrace")
"""helm makes it (--create-namespace)."""
TEST: Key = ("Pod", "pulltrace", "pulltrace-test")
"""Only `helm test` needs it."""


def chart(values: Values | None = None, kubernetes: str = KUBERNETES) -> dict[Key, Object]:
    """Return the chart's objects as kustomize should give them."""
    found = rendered(values, kubernetes=kubernetes)
    return {which: in_order(without(one, HELMS_LABELS)) for which, one in found.items() if which != TEST}


def overlay(folder: Path) -> dict[Key, Object]:
    return {which: in_order(one) for which, one in kustomized(folder).items() if which != NAMESPACE}


def in_order(one: Any) -> Any:
    """Sort lists of named things by name: merging patches moves them."""
    if isinstance(one, dict):
        return {name: in_order(value) for name, value in one.items()}
    if isinstance(one, list):
        return sorted(
            (in_order(value) for value in one),
            key=lambda value: str(value.get("name", "")) if isinstance(value, dict) else "",
        )
    return one


def with_component(tmp_path: Path, name: str) -> Path:
    """Write an overlay as a user would: the default one and a component."""
    relative = Path(*[".."] * len(tmp_path.parts[1:])) / str(KUSTOMIZE)[1:]
    (tmp_path / "kustomization.yaml").write_text(
        f"resources: [{relative}/overlays/default]\ncomponents: [{relative}/components/{name}]\n"
    )
    return tmp_path


def test_default_overlay_is_the_default_chart() -> None:
    """Both plain installs give the same objects."""
    assert overlay(KUSTOMIZE / "overlays/default") == chart()


def test_k3s_overlay_is_the_chart_with_the_k3s_preset() -> None:
    """Both installs for k3s give the same objects."""
    assert overlay(KUSTOMIZE / "overlays/k3s") == chart({"agent": {"containerd": {"preset": "k3s"}}})


@pytest.mark.parametrize(
    ("component", "values"),
    [
        ("high-availability", {"aggregator": {"replicas": 2}}),
        ("network-policy", {"networkPolicy": {"enabled": True}}),
        (
            "monitoring",
            {"monitoring": {one: {"enabled": True} for one in ("serviceMonitor", "prometheusRule", "dashboard")}},
        ),
    ],
)
def test_component_is_a_switch_of_the_chart(component: str, values: Values, tmp_path: Path) -> None:
    """Each component on the default overlay gives the objects of the chart with its switch."""
    assert overlay(with_component(tmp_path, component)) == chart(values)


def test_base_is_the_chart_for_older_clusters() -> None:
    """For Kubernetes before 1.30 there is the base."""
    assert overlay(KUSTOMIZE / "base") == chart(kubernetes="1.29.0")


def test_namespace_lets_the_agents_in() -> None:
    """The namespace that kustomize makes has the Pod Security level that a hostPath needs."""
    labels = the(kustomized(KUSTOMIZE / "overlays/default"), "Namespace")["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
