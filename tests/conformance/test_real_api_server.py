"""Behaviour of a real API server only: its restart, and its authorization of a service account."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from pulltrace.kube.client.aiohttp_client import connect
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.client.load_config import load_config
from pulltrace.kube.errors import ApiError
from pulltrace.kube.resources.leases import KubeLeaseStore, LeasePatch, lease_list_watch
from pulltrace.kube.watch.reflector import Reflector
from pulltrace.kube.watch.watch_events import Replaced, Upserted
from tests.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.real("etcd")

PATCH = LeasePatch({"pulltrace.io/summary": "idle"}, holder="agent-x", renewed_at=1_700_000_000, duration_seconds=40)


async def test_a_watch_survives_a_restart(control_plane: ControlPlane) -> None:
    """While the API server is down nothing is raised, and later changes arrive."""
    control_plane.create_service_account("restart", "default")
    async with await connect(str(control_plane.kubeconfig)) as connection:
        store, watching = KubeLeaseStore(connection, "restart"), Reflector(connection, lease_list_watch("restart"))
        async with aclosing(watching.watch()) as events:
            assert await anext(events) == Replaced(())
            waiting = asyncio.create_task(anext(events))
            await asyncio.to_thread(control_plane.restart_apiserver)
            written = await store.patch("node-1", PATCH)
            # From its version, or from a new list where the restarted server has forgotten that version.
            event = await waiting
            while event == Replaced(()):
                event = await anext(events)

    assert Upserted(written) == event or Replaced((written,)) == event


async def test_a_service_account_has_the_permissions_of_its_role(control_plane: ControlPlane, tmp_path: Path) -> None:
    """The mounted token and CA are enough to connect; a permission that is missing is named by the server."""
    control_plane.create_service_account("agents", "agent")
    rules = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"]}]
    subject = {"kind": "ServiceAccount", "name": "agent", "namespace": "agents"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "agent"}
    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/agents"
    control_plane.admin.create(f"{path}/roles", {"metadata": {"name": "agent"}, "rules": rules})
    binding = {"metadata": {"name": "agent"}, "roleRef": role, "subjects": [subject]}
    control_plane.admin.create(f"{path}/rolebindings", binding)
    (tmp_path / "token").write_text(control_plane.token("agents", "agent") + "\n")
    (tmp_path / "ca.crt").write_bytes(control_plane.authority.certificate.read_bytes())
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(control_plane.port)}

    async with H11Client(await load_config(folder=tmp_path, environ=environ)) as connection:
        # It may not read Nodes either: the Lease is then made without an owner.
        written = await KubeLeaseStore(connection, "agents").patch("node-1", PATCH)
        with pytest.raises(ApiError, match=r'403 .*cannot list resource "leases"'):
            await connection.request("GET", "/apis/coordination.k8s.io/v1/namespaces/agents/leases")

    assert written.annotations == PATCH.annotations
