"""A Kubernetes API that authorises for real, mints tokens and survives the loss of its parts."""

from collections.abc import Iterator

import pytest

from tests.cluster.api import ApiError
from tests.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    """Provide a control plane for all tests of this module."""
    with ControlPlane() as control_plane:
        yield control_plane


def test_kubectl_works(control_plane: ControlPlane) -> None:
    """The administrator's kubectl sees the namespaces."""
    assert "kube-system" in control_plane.kubectl("get", "namespaces", "-o", "name")


def test_token_of_a_pod_names_its_node(control_plane: ControlPlane) -> None:
    """A token bound to a pod says on which node the pod is, and RBAC holds for its bearer."""
    control_plane.create_service_account("agents", "agent")
    pod = {"serviceAccountName": "agent", "nodeName": "node-a", "containers": [{"name": "c", "image": "x"}]}
    control_plane.admin.create("/api/v1/nodes", {"metadata": {"name": "node-a"}})
    control_plane.admin.create("/api/v1/namespaces/agents/pods", {"metadata": {"name": "agent-1"}, "spec": pod})

    bearer = control_plane.with_token(control_plane.token("agents", "agent", pod="agent-1"))
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    user = bearer.create("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)["status"]["userInfo"]

    assert user["extra"]["authentication.kubernetes.io/node-name"] == ["node-a"]
    with pytest.raises(ApiError, match="403"):
        bearer.get("/api/v1/secrets")


def test_restarts_keep_the_data(control_plane: ControlPlane) -> None:
    """After a crash of the API server and of etcd, what was written is there."""
    control_plane.create_service_account("kept", "default")
    control_plane.apiserver.kill()
    control_plane.etcd.kill()
    control_plane.etcd.start()
    control_plane.apiserver.start()
    control_plane.wait_until_ready()

    assert control_plane.admin.get("/api/v1/namespaces/kept/serviceaccounts/default")


def test_nothing_is_left() -> None:
    """After the end both programs and the folder are gone."""
    with ControlPlane() as control_plane:
        folder = control_plane.folder
    assert not folder.exists()
    assert not control_plane.apiserver.running
    assert not control_plane.etcd.running
