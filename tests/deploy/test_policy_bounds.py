"""The per-node policy on a real API server: an agent cannot make its Lease large, however it writes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.resources.leases import LABELS, KubeLeaseStore, LeasePatch
from tests.builders.leases import lease_object
from tests.cluster.api import ApiError, Identity
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import wait_until
from tests.deploy.manifests import Object, rendered

pytestmark = pytest.mark.real("etcd", "openssl")

LARGEST_LEASE = 64 * 1024
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """An API server with the chart's objects in `pulltrace` and, as a second release, in `kube-system`."""
    with ControlPlane() as cluster:
        for namespace in ("pulltrace", "kube-system"):
            cluster.create_service_account(namespace, "default")
            installed = yaml.safe_dump_all(list(rendered(namespace=namespace).values()))
            cluster.kubectl("apply", "-f", "-", stdin=installed)
        for node in ("node-1", "node-2"):
            cluster.admin.create("/api/v1/nodes", {"metadata": {"name": node}})
        yield cluster


@pytest.fixture(scope="module", params=["pulltrace", "kube-system"])
def leases(request: pytest.FixtureRequest) -> str:
    """The path of the Leases of a release's namespace."""
    return f"/apis/coordination.k8s.io/v1/namespaces/{request.param}/leases"


@pytest.fixture(scope="module")
def agent(cluster: ControlPlane, leases: str) -> Identity:
    """The agent of node-1, once the policy of its namespace is enforced."""
    agent = cluster.with_token(cluster.token(leases.split("/")[5], "pulltrace-agent", node="node-1"))

    def enforced() -> bool:
        return status(lambda: agent.create(leases + "?dryRun=All", lease_object("node-2"))) == 403

    wait_until(enforced, "the policy", seconds=30)
    return agent


@pytest.fixture
def own(cluster: ControlPlane, agent: Identity, leases: str) -> Iterator[str]:
    """The path of the agent's own Lease, as the agent creates it."""
    agent.create(leases, lease_object("node-1"))
    yield f"{leases}/node-1"
    cluster.admin.delete(f"{leases}/node-1")


def entry(fields: Object, **more: Any) -> Object:
    """An entry of managedFields that a client sends."""
    return {
        "manager": "attacker",
        "operation": "Update",
        "apiVersion": "coordination.k8s.io/v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    } | more


WIDE: Object = {"f:metadata": {"f:annotations": {f"f:{'x' * 50}{number}": {} for number in range(1_000)}}}
LONG: Object = {"f:metadata": {"f:annotations": {f"f:{'x' * 50_000}": {}}}}
FOREIGN_LETTERS: Object = {"f:metadata": {"f:annotations": {"f:" + "\u00fc" * 10_000: {}}}}
DEEP: Object = {}
for _ in range(400):
    DEEP = {f"f:{'x' * 100}": DEEP}
INVENTED = {"wide": WIDE, "long": LONG, "foreign letters": FOREIGN_LETTERS, "deep": DEEP}


def status(call: Callable[[], object]) -> int:
    """The status that the API server answers with."""
    try:
        call()
    except ApiError as error:
        return error.status
    return 200


@pytest.mark.parametrize("fields", INVENTED.values(), ids=INVENTED)
def test_invented_managed_fields_are_refused(agent: Identity, leases: str, own: str, fields: Object) -> None:
    """The API server keeps managedFields that a client invents; the policy refuses large ones, in patches and creations."""
    metadata: Object = {"managedFields": [entry(fields)]}

    assert status(lambda: agent.patch(own, {"metadata": metadata})) == 403
    assert status(lambda: agent.create(leases + "?dryRun=All", lease_object("node-1", **metadata))) == 403


def test_apply_is_refused(agent: Identity, leases: str, own: str) -> None:
    """An agent has no use for server-side apply, neither for its Lease nor to create it."""
    body = lease_object("node-1")

    assert status(lambda: agent.call("PATCH", f"{own}?fieldManager=a&force=true", body, content_type=APPLY)) == 403


def test_apply_does_not_create(agent: Identity, leases: str) -> None:
    """Server-side apply creates no Lease either."""
    path = f"{leases}/node-1?fieldManager=a&dryRun=All"

    assert status(lambda: agent.call("PATCH", path, lease_object("node-1"), content_type=APPLY)) == 403


@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC, JSON_PATCH])
def test_ever_new_field_managers(cluster: ControlPlane, agent: Identity, own: str, content_type: str) -> None:
    """With a new field manager for each patch, of whatever kind, the Lease stays small."""
    for number in range(30):
        annotations: Object = {f"pulltrace.io/{'k' * 40}{number}-{one}": "" for one in range(8)}
        body: Any = {"metadata": {"annotations": annotations}}
        if content_type == JSON_PATCH:
            added = annotations.items()
            body = [
                {"op": "add", "path": f"/metadata/annotations/{key.replace('/', '~1')}", "value": value}
                for key, value in added
            ]
        path = f"{own}?fieldManager={'m' * 100}{number}"
        status(lambda path=path, body=body: agent.call("PATCH", path, body, content_type=content_type))  # type: ignore[misc]
    found = cluster.admin.get(own)

    assert len(found["metadata"]["managedFields"]) <= 4
    assert len(json.dumps(found["metadata"]["managedFields"])) <= 20_000


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {f"pull.pulltrace.io/{number}": "" for number in range(301)}},
        {"generateName": "x" * 10_000},
        {"generateName": "node-"},
    ],
    ids=["many annotations", "long generateName", "generateName"],
)
def test_other_metadata_is_refused(agent: Identity, leases: str, own: str, metadata: Object) -> None:
    """Many small annotations and a generateName are refused, in patches and in creations."""
    assert status(lambda: agent.patch(own, {"metadata": metadata})) == 403
    assert status(lambda: agent.create(leases + "?dryRun=All", lease_object("node-1", **metadata))) in {403, 422}


def test_owner_has_a_short_uid(agent: Identity, leases: str) -> None:
    """The UID of the Node in an ownerReference has no bound in Kubernetes; the policy bounds it."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "x" * 10_000}

    assert status(lambda: agent.create(leases + "?dryRun=All", lease_object("node-1", ownerReferences=[owner]))) == 403


def test_whatever_is_accepted_is_small(cluster: ControlPlane, agent: Identity, own: str) -> None:
    """The largest Lease that the policy lets through stays below 64 KiB."""
    fields: Object = {"f:metadata": {"f:annotations": {f"f:{'y' * 50}{number}": {} for number in range(200)}}}
    annotations = {"pulltrace.io/recent": "x" * 32_000}
    agent.patch(
        own,
        {
            "metadata": {"annotations": annotations, "managedFields": [entry(fields)]},
            "spec": {"holderIdentity": "x" * 253},
        },
    )

    assert len(json.dumps(cluster.admin.get(own))) <= LARGEST_LEASE


def test_replacing_and_deleting_are_refused(agent: Identity, leases: str, own: str) -> None:
    """An agent has no right to replace or delete Leases, one or all of them, so no quota of versions begins anew."""
    assert status(lambda: agent.replace(own, lease_object("node-1"))) == 403
    assert status(lambda: agent.delete(own)) == 403
    assert status(lambda: agent.delete(leases)) == 403


def test_leases_of_others_are_out_of_reach(cluster: ControlPlane, agent: Identity, leases: str) -> None:
    """With the policy an agent changes no other Lease of its namespace, not even where the control plane keeps its own."""
    path = f"{leases}/kube-scheduler"
    cluster.admin.create(leases, lease_object("kube-scheduler", labels={}, annotations={}))

    assert status(lambda: agent.patch(path, {"spec": {"holderIdentity": "agent"}})) == 403
    cluster.admin.patch(path, {"spec": {"holderIdentity": "kube-scheduler"}})
    cluster.admin.delete(path)


async def test_agents_store_after_an_administrator(
    cluster: ControlPlane, agent: Identity, leases: str, own: str
) -> None:
    """Changes of administrators hinder no agent: kubectl, apply, many managers, a large annotation."""
    note = {"metadata": {"annotations": {"example.org/note": "x" * 40_000}}}
    for number in range(9):
        cluster.admin.call("PATCH", f"{own}?fieldManager=admin-{number}", note, content_type=MERGE)
        note = {"metadata": {"annotations": {f"example.org/{number}": "x"}}}
    applied = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "node-1", "annotations": {"a": "b"}},
    }
    cluster.admin.call("PATCH", f"{own}?fieldManager=argo", applied, content_type=APPLY)
    cluster.admin.patch(own, {"metadata": {"labels": dict.fromkeys(LABELS)}})
    access = RestConfig(agent.url, f"Bearer {agent.token}", ca_file=str(cluster.authority.certificate))
    async with H11Client(StaticConfig(access)) as connection:
        store = KubeLeaseStore(connection, leases.split("/")[5])
        await store.patch("node-1", LeasePatch({"pulltrace.io/summary": "1 pulling"}, "agent", 1_700_000_000, 300))
    found = cluster.admin.get(own)["metadata"]

    assert found["annotations"]["pulltrace.io/summary"] == "1 pulling"
    assert found["labels"] == LABELS
    assert "managedFields" not in found
