"""D27: one agent's token that writes as much and as often as it can."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import yaml  # type: ignore[import-untyped]

from tests.builders.leases import lease_object
from tests.cluster.api import JSON, ApiError, Identity
from tests.cluster.processes import wait_until
from tests.deploy.manifests import rendered
from tests.faults.flood import flood, until
from tests.faults.stage import LEASES, NAMESPACE, Stage

pytestmark = pytest.mark.real("etcd", "openssl")

OWN = f"{LEASES}/node-2"
KUBELETS = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
LARGEST_LEASE = 64 * 1024
"""32 KiB of annotations, 16 KiB of managedFields, and the rest of the object."""
WRITES = 200
CONNECTIONS = 3
"""The API server serializes writes of one object: ten connections slowed them by a third."""
SLOWEST_SECONDS = 5.0
"""A kubelet renews its Lease every 10 s; beside other work on 2 cores nothing took longer than 0.4 s."""


def spec(number: int) -> JSON:
    """Return a renewal that differs from the one before."""
    time = f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.000000Z"
    return {"spec": {"renewTime": time}}


@pytest.fixture
def agent(stage: Stage) -> Identity:
    """Provide the attacker: the agent of node-2, whose Lease exists, once the policy is enforced."""
    agent = stage.control_plane.with_token(stage.control_plane.token(NAMESPACE, "pulltrace-agent", node="node-2"))

    def enforced() -> bool:
        try:
            agent.create(f"{LEASES}?dryRun=All", lease_object("node-9"))
        except ApiError as error:
            return error.status == 403
        return False

    wait_until(enforced, "the policy", seconds=30)
    agent.create(LEASES, lease_object("node-2"))
    return agent


@pytest.fixture
def priority_level(stage: Stage) -> Iterator[None]:
    """Provide the chart's own priority level for agents (`apiPriority.enabled`)."""
    values = {"apiPriority": {"enabled": True}}
    kinds = {"FlowSchema", "PriorityLevelConfiguration"}
    text = yaml.safe_dump_all([one for (kind, _, _), one in rendered(values).items() if kind in kinds])
    stage.control_plane.kubectl("apply", "-f", "-", stdin=text)
    yield
    stage.control_plane.kubectl("delete", "-f", "-", stdin=text)


def test_d27_lease_stays_small(stage: Stage, agent: Identity) -> None:
    """Ever-new field managers, invented managedFields and long names leave the Lease below its bound."""
    annotations = {f"pulltrace.io/{'k' * 40}{n}": "" for n in range(250)}
    applied = lease_object("node-2")
    applied["metadata"] = {"name": "node-2", "annotations": annotations}
    statuses = []
    for number in range(20):
        query = f"?force=true&fieldManager=attacker-{number}"
        for content_type, body in (
            ("application/apply-patch+yaml", applied),
            ("application/merge-patch+json", {"metadata": {"annotations": {f"pulltrace.io/{'k' * 60}{number}": ""}}}),
            ("application/merge-patch+json", {"metadata": {"managedFields": [invented(number, 2_000)]}}),
            ("application/merge-patch+json", {"metadata": {"generateName": "x" * 1_000 * (number + 1)}}),
        ):
            statuses.append(status(agent, query, body, content_type))

    assert len(json.dumps(stage.admin.get(OWN))) <= LARGEST_LEASE
    assert set(statuses) <= {200, 403, 422}


def test_d27_one_token_floods(stage: Stage, agent: Identity, priority_level: None) -> None:
    """While one token writes the largest Lease as fast as it can, no other client is refused or delayed for long."""
    other = stage.control_plane.with_token(stage.control_plane.token(NAMESPACE, "pulltrace-agent", node="node-1"))
    other.create(LEASES, lease_object("node-1"))
    kubelet = stage.control_plane.identity("system:node:node-1", groups=["system:nodes"])
    kubelet.create(KUBELETS, lease_object("node-1"))
    over = Event()
    with ThreadPoolExecutor() as pool:
        others = [pool.submit(until, over, who, path, spec) for who, path in (
            (other, f"{LEASES}/node-1"),
            (kubelet, f"{KUBELETS}/node-1"),
        )]  # fmt: skip
        try:
            attacker = flood(agent, OWN, largest, writes=WRITES, connections=CONNECTIONS)
        finally:
            over.set()
        answers = [one.result() for one in others]
    stage.admin.delete(f"{KUBELETS}/node-1")

    assert set(attacker.statuses) <= {200, 409, 429}
    assert len(json.dumps(stage.admin.get(OWN))) <= LARGEST_LEASE
    assert [set(one.statuses) for one in answers] == [{200}, {200}]
    assert max(one.slowest for one in answers) < SLOWEST_SECONDS


def largest(number: int) -> JSON:
    """Return the largest Lease that the policy lets through: the bound of the annotations and that of managedFields."""
    annotations = {"pulltrace.io/recent": f"{number:06}" + "x" * 32_000}
    return {"metadata": {"annotations": annotations, "managedFields": [invented(number, 200)]}}


def invented(number: int, fields: int) -> JSON:
    """Return an entry of managedFields whose fields do not exist: the API server keeps it as it is."""
    annotations: JSON = {f"f:{'y' * 50}{number}-{one}": {} for one in range(fields)}
    return {
        "manager": f"attacker-{number}",
        "operation": "Update",
        "apiVersion": "coordination.k8s.io/v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:annotations": annotations}},
    }


def status(agent: Identity, query: str, body: JSON, content_type: str) -> int:
    """Return the API server's status for a patch of the agent's own Lease."""
    try:
        agent.call("PATCH", OWN + query, body, content_type=content_type)
    except ApiError as error:
        return error.status
    return 200
