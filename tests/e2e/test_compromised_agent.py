"""The rights of an agent's token: the Lease of its node, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.cluster.api import ApiError, Identity
from tests.cluster.cluster import Cluster
from tests.e2e.installs import NAMESPACE, Helm, pods

pytestmark = pytest.mark.e2e

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
STEAL = "print(open('/var/run/secrets/kubernetes.io/serviceaccount/token').read())"
OTHER_NODE = "an agent may write the Lease of its own node only"


@pytest.fixture
def thief(helm_install: Helm, cluster: Cluster) -> Identity:
    """Provide the holder of the token that lies in the agent's pod on node-1."""
    (pod,) = pods(cluster, "agent", "node-1")
    name = pod["metadata"]["name"]
    token = cluster.kubectl("exec", "--namespace", NAMESPACE, name, "--", "python3", "-c", STEAL)
    return cluster.control_plane.with_token(token.strip())


def refusal(call: Callable[[], object]) -> str:
    """Return why the API server answers 403."""
    with pytest.raises(ApiError) as refused:
        call()
    assert refused.value.status == 403
    return refused.value.message


def test_writes_its_own_lease(thief: Identity) -> None:
    """The token is good: it writes the Lease of its own node."""
    summary = {"pulltrace.io/summary": "idle"}

    written = thief.patch(f"{LEASES}/node-1?dryRun=All", {"metadata": {"annotations": summary}})

    assert written["metadata"]["annotations"]["pulltrace.io/summary"] == "idle"


@pytest.mark.parametrize("name", ["node-2", "pulltrace-aggregator", "another"])
def test_writes_no_other_lease(thief: Identity, name: str) -> None:
    """It neither changes nor makes the Lease of another node, or of anything else."""
    lease = {"metadata": {"name": name}, "spec": {"holderIdentity": "me"}}

    assert OTHER_NODE in refusal(lambda: thief.create(LEASES, lease))
    if name == "node-2":
        assert OTHER_NODE in refusal(lambda: thief.patch(f"{LEASES}/node-2", {"spec": {"holderIdentity": "me"}}))


def test_writes_nothing_else_into_its_lease(thief: Identity) -> None:
    """In its own Lease it changes only Pulltrace's annotations, and it deletes no Lease."""
    annotations = {"control-plane.alpha.kubernetes.io/leader": "me"}

    assert "annotations" in refusal(lambda: thief.patch(f"{LEASES}/node-1", {"metadata": {"annotations": annotations}}))
    refusal(lambda: thief.delete(f"{LEASES}/node-1"))


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/pods",
        f"/api/v1/namespaces/{NAMESPACE}/pods",
        "/api/v1/secrets",
        f"/api/v1/namespaces/{NAMESPACE}/secrets",
        "/api/v1/namespaces/kube-system/secrets",
        "/api/v1/nodes",
        "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1",
        LEASES,
    ],
)
def test_reads_nothing(thief: Identity, path: str) -> None:
    """It reads no Pods, no Secrets, no list of nodes and no Leases of others."""
    assert "cannot" in refusal(lambda: thief.get(path))


def test_gets_no_other_token(thief: Identity) -> None:
    """It cannot ask for another token, of its own account or of the aggregator's."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}

    for account in ("pulltrace-agent", "pulltrace-aggregator"):
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
        assert "cannot create" in refusal(partial(thief.create, path, body))
