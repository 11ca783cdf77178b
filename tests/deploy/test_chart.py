"""The chart: the objects of a plain install, and the changes of each switch."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pulltrace.settings.flags import AgentSettings, AggregatorSettings
from pulltrace.settings.parser import parser, read
from tests.deploy.manifests import (
    CHART,
    NEEDS_HELM,
    Object,
    Values,
    agent_pod,
    aggregator_pod,
    helm,
    kinds,
    rendered,
    the,
    variables,
)

pytestmark = NEEDS_HELM

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
EVERYTHING: Values = {
    "aggregator": {"replicas": 2},
    "watchNamespaces": ["team-a"],
    "ingress": {"enabled": True},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}]},
    "networkPolicy": {"enabled": True},
    "monitoring": {name: {"enabled": True} for name in ("serviceMonitor", "podMonitor", "prometheusRule", "dashboard")},
    "apiPriority": {"enabled": True},
}


def notes(
    tmp_path: Path, values: Values | None = None, kubernetes: str | None = None, namespace: str = "pulltrace"
) -> str:
    """Return the notes after an install. helm prints them only with a cluster, so here they are an object's text."""
    chart = tmp_path / "pulltrace"
    shutil.copytree(CHART, chart)
    text = (chart / "templates/NOTES.txt").read_text()
    (chart / "templates/NOTES.txt").unlink()
    (chart / "templates/notes.yaml").write_text(
        f'{{{{- define "notes" -}}}}\n{text}{{{{- end -}}}}\n'
        'apiVersion: v1\nkind: Notes\nmetadata:\n  name: notes\ntext: {{ include "notes" . | quote }}\n'
    )
    found = rendered(values, chart=chart, namespace=namespace, **({"kubernetes": kubernetes} if kubernetes else {}))
    return str(the(found, "Notes")["text"])


def test_lint_is_silent() -> None:
    """`helm lint --strict` finds no warning and no error."""
    assert re.findall(r"\[(?:WARNING|ERROR)\].*", helm("lint", "--strict", CHART)) == []


def test_plain_install() -> None:
    """A plain install is agents, one aggregator, their rights, and the per-node policy; nothing else."""
    assert set(rendered()) == {
        ("ServiceAccount", "pulltrace", "pulltrace-agent"),
        ("Role", "pulltrace", "pulltrace-agent"),
        ("RoleBinding", "pulltrace", "pulltrace-agent"),
        ("ClusterRole", "", "pulltrace-agent"),
        ("ClusterRoleBinding", "", "pulltrace-agent"),
        ("DaemonSet", "pulltrace", "pulltrace-agent"),
        ("ValidatingAdmissionPolicy", "", "pulltrace-per-node"),
        ("ValidatingAdmissionPolicyBinding", "", "pulltrace-per-node"),
        ("ServiceAccount", "pulltrace", "pulltrace-aggregator"),
        ("Role", "pulltrace", "pulltrace-aggregator"),
        ("RoleBinding", "pulltrace", "pulltrace-aggregator"),
        ("ClusterRole", "", "pulltrace-aggregator-pods"),
        ("ClusterRoleBinding", "", "pulltrace-aggregator-pods"),
        ("Deployment", "pulltrace", "pulltrace-aggregator"),
        ("Service", "pulltrace", "pulltrace"),
        ("Pod", "pulltrace", "pulltrace-test"),
    }


@pytest.mark.parametrize(
    ("values", "more"),
    [
        ({}, []),
        ({"ingress": {"enabled": True}}, ["pulltrace.local"]),
        (
            {"ingress": {"enabled": True, "hosts": [{"host": "*.example.com", "paths": [{"path": "/"}]}]},
             "aggregator": {"allowedHosts": ["pulltrace.corp"]}},
            ["pulltrace.corp", "*.example.com"],
        ),
        ({"httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}], "hostnames": ["a.example"]}}, ["a.example"]),
        ({"httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]}}, ["*"]),
        ({"aggregator": {"allowedHosts": ["*"]}}, ["*"]),
    ],
)  # fmt: skip
def test_names_under_which_it_is_reached(values: Values, more: list[str]) -> None:
    """The Service's short name, the hosts of Ingress and HTTPRoute, and the listed ones are allowed."""
    environ = variables(aggregator_pod(rendered(values)))

    assert read(AggregatorSettings, [], environ, "x").allowed_hosts == ("pulltrace.pulltrace", *more)


def test_pods_get_settings_that_the_programs_take() -> None:
    """Each variable of the pods is one that the program knows, with a value that it takes."""
    found = rendered({"watchNamespaces": ["team-a", "team-b"], "agent": {"reportInterval": "2s"},
                      "aggregator": {"streams": {"trustedProxies": ["10.0.0.0/8", "fd00::/8"]}}})  # fmt: skip
    agent = read(AgentSettings, [], variables(agent_pod(found)), "agent")
    aggregator = read(AggregatorSettings, [], variables(aggregator_pod(found)), "aggregator")

    assert (agent.containerd_socket, agent.report_interval_seconds) == ("/host/run/containerd/containerd.sock", 2)
    assert (aggregator.http_addr, aggregator.metrics_addr) == (":8080", ":9090")
    assert aggregator.watch_namespaces == ("team-a", "team-b")
    assert (agent.start_spread_seconds, aggregator.writes_per_second) == (30, 100)
    assert (aggregator.kubernetes_events, aggregator.events_per_second) == (True, 10)
    assert (aggregator.max_streams, aggregator.max_streams_per_address) == (10_000, 100)
    assert [str(network) for network in aggregator.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    known = {"PULLTRACE_" + flag[2:].upper().replace("-", "_") for kind in (AgentSettings, AggregatorSettings)
             for flag in re.findall(r"--[a-z-]+", parser(kind, "x").format_help())}  # fmt: skip
    given = variables(agent_pod(found)).keys() | variables(aggregator_pod(found)).keys()
    assert given - known == set()


def test_by_default_the_aggregator_sets_the_report_interval() -> None:
    """Without a value, the leader's interval applies."""
    agent = read(AgentSettings, [], variables(agent_pod(rendered())), "agent")

    assert agent.report_interval_seconds is None


def test_agent_knows_its_node_and_itself() -> None:
    """The agent gets the name of its node, and the names of its pod and namespace."""
    [container] = agent_pod(rendered())["containers"]
    fields = {one["name"]: one["valueFrom"]["fieldRef"]["fieldPath"] for one in container["env"] if "valueFrom" in one}

    assert fields == {
        "PULLTRACE_NODE_NAME": "spec.nodeName",
        "POD_NAME": "metadata.name",
        "POD_NAMESPACE": "metadata.namespace",
    }


@pytest.mark.parametrize(
    ("containerd", "socket"),
    [
        ({}, "/run/containerd/containerd.sock"),
        ({"preset": "containerd"}, "/run/containerd/containerd.sock"),
        ({"preset": "k3s"}, "/run/k3s/containerd/containerd.sock"),
        ({"preset": "rke2"}, "/run/k3s/containerd/containerd.sock"),
        ({"preset": "k0s"}, "/run/k0s/containerd.sock"),
        ({"preset": "microk8s"}, "/var/snap/microk8s/common/run/containerd.sock"),
        ({"preset": "k3s", "socket": "/srv/containerd/api.sock"}, "/srv/containerd/api.sock"),
    ],
)
def test_socket(containerd: dict[str, str], socket: str) -> None:
    """Each preset has its socket, a path of one's own wins, and its folder is mounted read-only."""
    pod = agent_pod(rendered({"agent": {"containerd": containerd}}))
    folder = socket.rpartition("/")[0]

    assert variables(pod)["PULLTRACE_CONTAINERD_SOCKET"] == f"/host{socket}"
    assert pod["volumes"][0] == {"name": "containerd", "hostPath": {"path": folder, "type": "Directory"}}
    assert pod["containers"][0]["volumeMounts"][0] == {
        "name": "containerd",
        "mountPath": f"/host{folder}",
        "readOnly": True,
        "recursiveReadOnly": "IfPossible",
    }


def test_mounts_below_are_left_alone_where_kubernetes_cannot_do_otherwise() -> None:
    """Before 1.30 the API server knows no mounts that are read-only with all that is mounted below."""
    pod = agent_pod(rendered(kubernetes="1.29.0"))

    assert "recursiveReadOnly" not in pod["containers"][0]["volumeMounts"][0]


def test_agents_are_on_every_node() -> None:
    """Agents tolerate every taint."""
    assert agent_pod(rendered())["tolerations"] == [{"operator": "Exists"}]


def test_digest_wins_over_tag() -> None:
    """With a digest, exactly these bytes run."""
    image = {"repository": "registry.test/a", "tag": "9", "digest": DIGEST}
    found = rendered({"agent": {"image": image}, "aggregator": {"image": image | {"digest": ""}}})

    assert agent_pod(found)["containers"][0]["image"] == f"registry.test/a@{DIGEST}"
    assert aggregator_pod(found)["containers"][0]["image"] == "registry.test/a:9"


def test_watch_namespaces_are_roles() -> None:
    """With a list of namespaces, the rights over pods are Roles in these, and no ClusterRole."""
    found = rendered({"watchNamespaces": ["team-a", "team-b", "team-a"]})

    assert ("ClusterRole", "", "pulltrace-aggregator-pods") not in found
    for namespace in ("team-a", "team-b"):
        role = found["Role", namespace, "pulltrace-aggregator-pods"]
        binding = found["RoleBinding", namespace, "pulltrace-aggregator-pods"]
        assert role["rules"] == the(rendered(), "ClusterRole", "pulltrace-aggregator-pods")["rules"]
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "pulltrace-aggregator", "namespace": "pulltrace"}
        ]
    assert variables(aggregator_pod(found))["PULLTRACE_WATCH_NAMESPACES"] == "team-a,team-b"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"ingress": {"enabled": True}}, "Ingress"),
        ({"httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}]}}, "HTTPRoute"),
        ({"networkPolicy": {"enabled": True}}, "NetworkPolicy"),
        ({"aggregator": {"replicas": 2}}, "PodDisruptionBudget"),
        ({"monitoring": {"serviceMonitor": {"enabled": True}}}, "ServiceMonitor"),
        ({"monitoring": {"podMonitor": {"enabled": True}}}, "PodMonitor"),
        ({"monitoring": {"prometheusRule": {"enabled": True}}}, "PrometheusRule"),
        ({"monitoring": {"dashboard": {"enabled": True}}}, "ConfigMap"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_switch_adds_one_kind(values: Values, kind: str) -> None:
    """Each switch adds its objects to the plain install, and nothing else."""
    assert kinds(rendered(values)) - kinds(rendered()) == {kind}


def test_own_priority_level() -> None:
    """Agents' requests in Pulltrace's namespace have their own priority level; the election has that of other elections."""
    found = rendered({"apiPriority": {"enabled": True}})
    [of_agents] = the(found, "FlowSchema", "pulltrace")["spec"]["rules"]
    election = the(found, "FlowSchema", "pulltrace-election")["spec"]

    assert kinds(found) - kinds(rendered()) == {"FlowSchema", "PriorityLevelConfiguration"}
    assert [(one["resources"], one.get("namespaces")) for one in of_agents["resourceRules"]] == [
        (["leases"], ["pulltrace"]),
        (["nodes"], None),
    ]
    assert [one["serviceAccount"] for one in of_agents["subjects"]] == [
        {"namespace": "pulltrace", "name": "pulltrace-agent"}
    ]
    assert election["priorityLevelConfiguration"]["name"] == "leader-election"
    assert [one["serviceAccount"]["name"] for one in election["rules"][0]["subjects"]] == ["pulltrace-aggregator"]


def test_replicas_are_spread() -> None:
    """Two replicas go to two nodes where possible, and a drain takes one at a time."""
    found = rendered({"aggregator": {"replicas": 2}})
    [constraint] = aggregator_pod(found)["topologySpreadConstraints"]
    selector = the(found, "Deployment")["spec"]["selector"]

    assert constraint["labelSelector"] == selector
    assert the(found, "PodDisruptionBudget")["spec"] == {"maxUnavailable": 1, "selector": selector}


def test_network_policy_lets_the_chosen_in() -> None:
    """Agents take no connection; the aggregator's ports are open to whom the values name, and to `helm test`."""
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    found = rendered({"networkPolicy": {"enabled": True, "httpFrom": [peer]}})
    agent = the(found, "NetworkPolicy", "pulltrace-agent")["spec"]
    http, metrics = the(found, "NetworkPolicy", "pulltrace-aggregator")["spec"]["ingress"]

    assert "Ingress" in agent["policyTypes"]
    assert "ingress" not in agent
    assert http["ports"] == [{"port": "http"}]
    assert http["from"][0] == peer
    assert http["from"][1]["podSelector"]["matchLabels"].items() <= the(found, "Pod")["metadata"]["labels"].items()
    assert metrics == {"ports": [{"port": "metrics"}]}


def test_network_policy_leads_to_the_api_server_only() -> None:
    """The pods may reach only the API server's ports, at its addresses where these are known."""
    found = rendered({"networkPolicy": {"enabled": True, "apiServerPorts": [443], "apiServerCIDRs": ["10.0.0.1/32"]}})
    for name in ("pulltrace-agent", "pulltrace-aggregator"):
        assert the(found, "NetworkPolicy", name)["spec"]["egress"] == [
            {"ports": [{"port": 443}], "to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}
        ]


def test_labels_and_annotations_go_everywhere() -> None:
    """Labels and annotations of one's own are on every object, and on the pods too."""
    found = rendered({**EVERYTHING, "commonLabels": {"team": "platform"}, "commonAnnotations": {"cost": "7"}})
    metadata = [one["metadata"] for one in found.values()]
    metadata += [one["spec"]["template"]["metadata"] for one in found.values() if "template" in one.get("spec", {})]

    assert [one for one in metadata if one["labels"].get("team") != "platform"] == []
    assert [one for one in metadata if one["annotations"].get("cost") != "7"] == []


def test_labels_of_ones_own_do_not_replace_the_selectors() -> None:
    """A pod keeps the labels that its selector asks for, whatever is added."""
    labels = {"app.kubernetes.io/name": "other"}
    found = rendered({"commonLabels": labels, "agent": {"podLabels": labels}})
    spec = the(found, "DaemonSet")["spec"]

    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_pods_have_what_is_set_for_them() -> None:
    """Placement, priority, resources and pull secrets reach the pods."""
    pod: Object = {
        "priorityClassName": "high",
        "nodeSelector": {"pool": "a"},
        "tolerations": [{"key": "x", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "resources": {"limits": {"memory": "1Gi"}},
        "podLabels": {"a": "b"},
        "podAnnotations": {"c": "d"},
        "serviceAccount": {"annotations": {"e": "f"}},
    }
    found = rendered({"agent": pod, "aggregator": pod, "imagePullSecrets": [{"name": "regcred"}]})
    for kind, name in (("DaemonSet", "pulltrace-agent"), ("Deployment", "pulltrace-aggregator")):
        template = the(found, kind)["spec"]["template"]
        spec = template["spec"]
        assert {one: spec[one] for one in ("priorityClassName", "tolerations", "affinity")} == {
            one: pod[one] for one in ("priorityClassName", "tolerations", "affinity")
        }
        assert spec["nodeSelector"]["pool"] == "a"
        assert spec["imagePullSecrets"] == [{"name": "regcred"}]
        assert spec["containers"][0]["resources"]["limits"]["memory"] == "1Gi"
        assert template["metadata"]["labels"]["a"] == "b"
        assert template["metadata"]["annotations"] == {"c": "d"}
        assert the(found, "ServiceAccount", name)["metadata"]["annotations"] == {"e": "f"}


def test_update_strategy_can_be_another() -> None:
    """A strategy other than RollingUpdate comes without the settings of that one, which the API would refuse."""
    strategies = {
        "agent": {"updateStrategy": {"type": "OnDelete"}},
        "aggregator": {"updateStrategy": {"type": "Recreate"}},
    }
    found = rendered(strategies)

    assert the(found, "DaemonSet")["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert the(found, "Deployment")["spec"]["strategy"] == {"type": "Recreate"}


def test_two_releases_do_not_meet() -> None:
    """Cluster-wide objects of a release of another name have other names."""
    one, other = rendered(), rendered(release="second")

    assert set(one) & set(other) == set()
    assert ("ValidatingAdmissionPolicy", "", "pulltrace-second-pulltrace-per-node") in other


@pytest.mark.parametrize(("kubernetes", "left_out"), [("1.30.0", set()), ("1.29.9", {"ValidatingAdmissionPolicy"})])
def test_policy_needs_kubernetes_1_30(kubernetes: str, left_out: set[str], tmp_path: Path) -> None:
    """A cluster without the policy's API gets none, and the notes warn that isolation is not enforced."""
    known = kinds(rendered(kubernetes=kubernetes))
    text = notes(tmp_path, kubernetes=kubernetes)

    assert {"ValidatingAdmissionPolicy"} - known == left_out
    assert ("per-node isolation is not enforced" in text) == bool(left_out)


def test_policy_can_be_switched_off(tmp_path: Path) -> None:
    """Without the policy the notes warn."""
    values = {"agent": {"perNodePolicy": {"enabled": False}}}

    assert not any(kind.startswith("ValidatingAdmission") for kind in kinds(rendered(values)))
    assert "per-node isolation is not enforced (agent.perNodePolicy.enabled=false)" in notes(tmp_path, values)


@pytest.mark.parametrize("namespace", ["pulltrace", "default", "monitoring"])
def test_notes_say_what_agents_may_patch_without_the_policy(namespace: str, tmp_path: Path) -> None:
    """Only without the policy the notes warn that agents may patch every Lease of the namespace."""
    off = {"agent": {"perNodePolicy": {"enabled": False}}}
    sentence = f"patch every other Lease in namespace {namespace}"

    assert sentence in notes(tmp_path / "off", off, namespace=namespace)
    assert sentence not in notes(tmp_path / "on", namespace=namespace)


def test_notes_call_the_default_namespace_shared(tmp_path: Path) -> None:
    """Without the policy the notes name the one namespace that is shared for certain."""
    off = {"agent": {"perNodePolicy": {"enabled": False}}}

    assert "Namespace default is shared" in notes(tmp_path / "default", off, namespace="default")
    assert "is shared" not in notes(tmp_path / "own", off)


def test_priority_level_needs_kubernetes_1_29(tmp_path: Path) -> None:
    """A cluster without FlowSchema v1 gets none, and the notes warn."""
    values = {"apiPriority": {"enabled": True}}

    assert "FlowSchema" not in kinds(rendered(values, kubernetes="1.28.0"))
    assert "FlowSchema and priority level were left out" in notes(tmp_path, values, "1.28.0")


def test_notes_of_a_plain_install(tmp_path: Path) -> None:
    """The notes list the objects, the way to the UI, and the namespace's Pod Security level."""
    text = notes(tmp_path)

    assert "kubectl -n pulltrace port-forward service/pulltrace 8080:8080" in text
    assert "/run/containerd/containerd.sock (preset containerd, chosen by the cluster's version)" in text
    assert "as root without capabilities" in text
    assert "of all namespaces" in text
    assert "also        the per-node policy\n" in text
    assert "pod-security.kubernetes.io/enforce=privileged" in text
    assert "WARNING" not in text


def test_notes_name_what_was_switched_on(tmp_path: Path) -> None:
    """The notes list what this install has beside the plain one, and no port-forward where there is an address."""
    values: dict[str, Any] = {**EVERYTHING, "agent": {"containerd": {"preset": "k3s", "group": 123}}}
    text = notes(tmp_path, values)

    assert "http://pulltrace.local/" in text
    assert "port-forward" not in text
    assert "as user 65532 with group 123" in text
    assert "pods        of team-a\n" in text
    for one in (
        "NetworkPolicies",
        "PodDisruptionBudget",
        "FlowSchema",
        "ServiceMonitor",
        "PodMonitor",
        "PrometheusRule",
    ):
        assert one in text
