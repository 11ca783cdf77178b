"""The rights of the pods and their ServiceAccounts: no more than docs and policy list."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.deploy.manifests import NEEDS_HELM, Key, Object, agent_pod, aggregator_pod, pod_of, rendered, the

pytestmark = NEEDS_HELM

RIGHTS = {
    ("Role", "pulltrace", "pulltrace-agent"): ["leases.coordination.k8s.io: create get patch"],
    ("ClusterRole", "", "pulltrace-agent"): ["nodes: get"],
    ("Role", "pulltrace", "pulltrace-aggregator"): [
        "leases.coordination.k8s.io: create get list watch",
        "leases.coordination.k8s.io/pulltrace-aggregator: patch update",
    ],
    ("ClusterRole", "", "pulltrace-aggregator-pods"): ["pods: list watch", "events: create list patch watch"],
}


def rights(found: Mapping[Key, Object]) -> dict[Key, list[str]]:
    """Return the rules of every role, one line each."""
    lines: dict[Key, list[str]] = {}
    for which, one in found.items():
        for rule in one.get("rules", []):
            assert rule.keys() <= {"apiGroups", "resources", "resourceNames", "verbs"}
            [group], [resource] = rule["apiGroups"], rule["resources"]
            name = f"{resource}.{group}" if group else resource
            named = "".join(f"/{one}" for one in rule.get("resourceNames", []))
            lines.setdefault(which, []).append(f"{name}{named}: {' '.join(sorted(rule['verbs']))}")
    return lines


def test_rights() -> None:
    """The rights are exactly these; a change of them changes this list."""
    assert rights(rendered()) == RIGHTS


def test_without_events_of_its_own_it_writes_none() -> None:
    """A release without the Events has no right to write them."""
    found = rights(rendered({"aggregator": {"kubernetesEvents": {"enabled": False}}}))

    assert "events: list watch" in found["ClusterRole", "", "pulltrace-aggregator-pods"]


def test_every_role_is_bound_to_its_own_account() -> None:
    """Each role goes to one ServiceAccount of this release, and to no other subject."""
    bindings = {which: one for which, one in rendered().items() if which[0].endswith("Binding") and "roleRef" in one}

    assert len(bindings) == len(RIGHTS)
    for (kind, _, name), one in bindings.items():
        assert one["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": kind.removesuffix("Binding"),
            "name": name,
        }
        account = "pulltrace-agent" if name == "pulltrace-agent" else "pulltrace-aggregator"
        assert one["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "pulltrace"}]


@pytest.mark.parametrize("kind", ["DaemonSet", "Deployment", "Pod"])
def test_containers_are_confined(kind: str) -> None:
    """No pod has capabilities, a writable root, a way to more rights, or a namespace of the host."""
    pod = pod_of(the(rendered(), kind))

    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod.keys() & {"hostNetwork", "hostPID", "hostIPC"} == set()
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_only_the_agent_may_be_root(kind: str) -> None:
    """The aggregator and `helm test` run as an ordinary user."""
    security = pod_of(the(rendered(), kind))["securityContext"]

    assert (security["runAsNonRoot"], security["runAsUser"], security["runAsGroup"]) == (True, 65532, 65532)


def test_agent_with_a_group_is_not_root() -> None:
    """Where containerd's socket has a group, the agent is an ordinary user of that group."""
    security = agent_pod(rendered({"agent": {"containerd": {"group": 1234}}}))["securityContext"]

    assert security["runAsNonRoot"] is True
    assert (security["runAsUser"], security["supplementalGroups"]) == (65532, [1234])


def test_token_is_only_where_it_is_needed() -> None:
    """No token is mounted by itself; agent and aggregator have one that is renewed each hour; `helm test` has none."""
    found = rendered()
    for one in found.values():
        if one["kind"] == "ServiceAccount":
            assert one["automountServiceAccountToken"] is False
    for kind, expected in (("DaemonSet", 1), ("Deployment", 1), ("Pod", 0)):
        pod = pod_of(the(found, kind))
        tokens = [
            source["serviceAccountToken"]
            for volume in pod.get("volumes", [])
            for source in volume.get("projected", {}).get("sources", [])
            if "serviceAccountToken" in source
        ]
        assert pod["automountServiceAccountToken"] is False
        assert tokens == [{"path": "token", "expirationSeconds": 3600}] * expected


def test_one_folder_of_the_host_read_only() -> None:
    """The agent sees one folder of its node and cannot write there; the aggregator sees none."""
    found = rendered()
    folders = [volume for volume in agent_pod(found)["volumes"] if "hostPath" in volume]
    [mount] = [one for one in agent_pod(found)["containers"][0]["volumeMounts"] if one["name"] == folders[0]["name"]]

    assert [folder["hostPath"]["path"] for folder in folders] == ["/run/containerd"]
    assert (mount["readOnly"], mount["recursiveReadOnly"]) == (True, "IfPossible")
    assert not any("hostPath" in volume for volume in aggregator_pod(found)["volumes"])


def test_policy_covers_the_agents_leases_only() -> None:
    """The policy applies only to agents of this release in its own namespace, and fails closed."""
    found = rendered()
    spec = the(found, "ValidatingAdmissionPolicy")["spec"]

    assert spec["matchConstraints"] == {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "pulltrace"}},
        "resourceRules": [
            {
                "apiGroups": ["coordination.k8s.io"],
                "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["leases"],
            }
        ],
    }
    assert [one["expression"] for one in spec["matchConditions"]] == [
        "request.userInfo.username == 'system:serviceaccount:pulltrace:pulltrace-agent'"
    ]
    assert spec["failurePolicy"] == "Fail"
    assert {one["reason"] for one in spec["validations"]} == {"Forbidden"}
    assert the(found, "ValidatingAdmissionPolicyBinding")["spec"]["validationActions"] == ["Deny"]
