"""The stage of the scenarios: a real API server with the chart's rights, Leases of invented nodes, real aggregators."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from pulltrace.kube.resources.leases import LABELS, micro_time
from pulltrace.pulls.lease_format.annotations import encode
from pulltrace.pulls.model import NodeReport
from tests.builders.pulls import START
from tests.cluster.api import JSON, ApiError
from tests.cluster.control_plane import ControlPlane
from tests.deploy.manifests import rendered
from tests.faults.link import Link
from tests.real.programs import Server

NAMESPACE = "pulltrace"
ELECTION = "pulltrace-aggregator"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
NODES = ("node-1", "node-2")


class Stage:
    """A control plane with the chart's objects, on which a scenario runs."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.control_plane = control_plane
        self.admin = control_plane.admin
        self._folders = itertools.count(1)

    def build(self) -> None:
        """Create the objects of an install and of two nodes."""
        self.control_plane.create_service_account(NAMESPACE, "default")
        self.control_plane.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(list(rendered().values())))
        for name in NODES:
            self.admin.create("/api/v1/nodes", {"metadata": {"name": name}})

    def clear(self) -> None:
        """Delete all Leases, the election's too, so that the next aggregator leads at once."""
        self.admin.delete(LEASES)

    def leases(self) -> dict[str, JSON]:
        """Return all Leases by name."""
        return {lease["metadata"]["name"]: lease for lease in self.admin.get(LEASES)["items"]}

    def report(self, node: str, report: NodeReport, *, seconds: int = 300, more: JSON | None = None) -> None:
        """Write a node's Lease as its agent would, by the clock of the records; `more` are further annotations."""
        annotations = {**encode(report), **(more or {})}
        spec = {"holderIdentity": "agent", "renewTime": micro_time(START + 60), "leaseDurationSeconds": seconds}
        try:
            before = self.admin.get(f"{LEASES}/{node}")["metadata"].get("annotations", {})
        except ApiError as error:
            if error.status != 404:
                raise
            metadata = {"name": node, "labels": LABELS, "annotations": annotations}
            self.admin.create(LEASES, {"metadata": metadata, "spec": spec})
        else:
            annotations = {**dict.fromkeys(before), **annotations}
            self.admin.patch(f"{LEASES}/{node}", {"metadata": {"annotations": annotations}, "spec": spec})

    def allow(self, account: str, rules: list[JSON]) -> None:
        """Give a ServiceAccount rights in Pulltrace's namespace."""
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
        subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account}
        self.admin.create(f"{path}/roles", {"metadata": {"name": account}, "rules": rules})
        binding = {"metadata": {"name": account}, "roleRef": role, "subjects": [subject]}
        self.admin.create(f"{path}/rolebindings", binding)

    @contextmanager
    def link(self) -> Iterator[Link]:
        """Provide a way to the API server on which faults can be set."""
        with Link(self.admin, self.control_plane.authority.issue("link", "link", addresses=["IP:127.0.0.1"])) as link:
            yield link

    def aggregator(
        self, folder: Path, link: Link | None = None, *flags: str, env: Mapping[str, str] | None = None
    ) -> Server:
        """Return an aggregator that has not been started, with the token of the chart's ServiceAccount."""
        folder /= f"aggregator-{next(self._folders)}"
        folder.mkdir()
        identity = self.control_plane.with_token(self.control_plane.token(NAMESPACE, "pulltrace-aggregator"))
        identity = identity if link is None else link.through(identity)
        kubeconfig = identity.write_kubeconfig(folder / "kubeconfig")
        return Server("aggregator", folder, "--kubeconfig", kubeconfig, "--namespace", NAMESPACE, *flags, env=env)


def leads(server: Server) -> bool:
    """Return whether this replica leads, by its own metric."""
    return bool(server.metrics()["pulltrace_leader"])
