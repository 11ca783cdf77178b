"""The objects of the chart and of the kustomize overlays."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.cluster import binaries

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/pulltrace"
KUSTOMIZE = ROOT / "deploy/kustomize"
KUBERNETES = binaries.KUBERNETES.version
"""The newest version that the chart is tried on; helm would assume another one without a cluster."""

NEEDS_HELM = pytest.mark.real("umount")
"""helm and kubectl are built when they are not there; of Debian's programs these tests need none of note."""

Object = dict[str, Any]
Key = tuple[str, str, str]
"""Kind, namespace (empty for cluster-wide objects) and name."""
Values = Mapping[str, Any]


class HelmError(Exception):
    """helm refused; the message is its output."""


def helm(*arguments: str | Path, stdin: str | None = None) -> str:
    """Run helm and return its output; raises HelmError."""
    result = subprocess.run(
        [binaries.helm(), *arguments], input=stdin, capture_output=True, text=True, timeout=100, check=False
    )
    if result.returncode:
        raise HelmError(result.stderr)
    return result.stdout


def rendered(
    values: Values | None = None,
    *,
    kubernetes: str = KUBERNETES,
    chart: Path = CHART,
    release: str = "pulltrace",
    namespace: str = "pulltrace",
) -> dict[Key, Object]:
    """Return the objects of `helm install RELEASE CHART -n NAMESPACE`, with those of `helm test`."""
    options = ["--namespace", namespace, "--kube-version", kubernetes, "--values", "-"]
    return objects(helm("template", release, chart, *options, stdin=json.dumps(values or {})))


def kustomized(folder: Path) -> dict[Key, Object]:
    """Return the objects of `kubectl apply -k FOLDER`."""
    command: list[str | Path] = [binaries.kubernetes("kubectl"), "kustomize", folder]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert not result.returncode, result.stderr
    return objects(result.stdout)


def objects(text: str) -> dict[Key, Object]:
    """Return the objects of a stream of YAML documents; each may occur once."""
    found: dict[Key, Object] = {}
    for one in yaml.safe_load_all(text):
        if one:
            assert key(one) not in found, key(one)
            found[key(one)] = one
    return found


def key(one: Object) -> Key:
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def kinds(found: Mapping[Key, Object]) -> set[str]:
    return {kind for kind, _, _ in found}


def the(found: Mapping[Key, Object], kind: str, name: str | None = None) -> Object:
    """Return the only object of a kind, or the one of that name."""
    [one] = [one for (its, _, called), one in found.items() if its == kind and name in {None, called}]
    return one


def pod_of(one: Object) -> Object:
    """Return the pod of a DaemonSet, a Deployment, or itself."""
    spec: Object = one["spec"] if one["kind"] == "Pod" else one["spec"]["template"]["spec"]
    return spec


def agent_pod(found: Mapping[Key, Object]) -> Object:
    return pod_of(the(found, "DaemonSet"))


def aggregator_pod(found: Mapping[Key, Object]) -> Object:
    return pod_of(the(found, "Deployment"))


def variables(pod: Object) -> dict[str, str]:
    """Return the environment of a pod's only container, where it is given as text."""
    [container] = pod["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def without(one: Any, keys: Sequence[str]) -> Any:
    """Return a copy of an object in which these keys are nowhere."""
    if isinstance(one, dict):
        return {name: without(value, keys) for name, value in one.items() if name not in keys}
    return [without(value, keys) for value in one] if isinstance(one, list) else one
