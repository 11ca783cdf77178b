"""Everything that the two ServiceAccounts may do, as a real API server answers it: each resource with each verb.

As root, `python -m tests.deploy.who_can > tests/deploy/who_can.txt` writes the table that the test compares with.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped]

from tests.cluster.api import JSON, Identity
from tests.cluster.control_plane import ControlPlane
from tests.deploy.manifests import rendered

ACCOUNTS = ("pulltrace-agent", "pulltrace-aggregator")
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
MORE_VERBS = ("*", "impersonate", "bind", "escalate", "approve", "sign", "attest", "use")
"""Verbs that give more than they seem to."""
SUBJECTS = ("users.", "groups.", "uids.authentication.k8s.io", "signers.certificates.k8s.io", "*.*")
"""Resources that no API lists."""
OWN, OTHER, EVERYWHERE = "pulltrace", "default", ""
PATHS = ("/metrics", "/logs", "/logs/kube-apiserver.log", "/debug/pprof", "/configz", "/")


class Resource(NamedTuple):
    """The resources and verbs to check."""

    name: str
    """`pods/exec.` or `leases.coordination.k8s.io`."""
    namespaced: bool


@contextmanager
def installed() -> Iterator[ControlPlane]:
    """Run an API server with the roles of a plain install."""
    with ControlPlane() as cluster:
        cluster.create_service_account("pulltrace", "default")
        cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(list(rendered().values())))
        yield cluster


class Reviews:
    """Questions about an account, over one connection."""

    def __init__(self, admin: Identity, account: str) -> None:
        self._user = f"system:serviceaccount:pulltrace:{account}"
        place = urlsplit(admin.url)
        self._connection = http.client.HTTPSConnection(str(place.hostname), place.port, context=admin._context)

    def close(self) -> None:
        self._connection.close()

    def may(self, **asked: JSON) -> bool:
        """Whether the account has a right: `resourceAttributes` or `nonResourceAttributes`."""
        groups = ["system:serviceaccounts", "system:serviceaccounts:pulltrace", "system:authenticated"]
        body = {"spec": {"user": self._user, "groups": groups, **asked}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        self._connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        allowed: bool = answer["status"]["allowed"]
        return allowed

    def verbs(self, resource: str, namespace: str, name: str = "") -> list[str]:
        """Return the verbs of the account for a resource there, or for one object of it."""
        kind, _, group = resource.partition(".")
        kind, _, part = kind.partition("/")
        asked = {"group": group, "resource": kind, "subresource": part, "namespace": namespace, "name": name}
        return [verb for verb in (*VERBS, *MORE_VERBS) if self.may(resourceAttributes=asked | {"verb": verb})]


def resources(admin: Identity) -> list[Resource]:
    """All that this API server knows, parts of objects too."""
    groups = [(one["name"], one["preferredVersion"]["groupVersion"]) for one in admin.get("/apis")["groups"]]
    found = [
        Resource(f"{one['name']}.{group}", one["namespaced"])
        for group, path in [("", "/api/v1"), *((group, f"/apis/{version}") for group, version in groups)]
        for one in admin.get(path)["resources"]
    ]
    return sorted(found) + [Resource(name, namespaced=False) for name in SUBJECTS]


def table(admin: Identity) -> str:
    """Return a line for each resource an account may do anything with: the account, where, the resource, the verbs."""
    known = resources(admin)
    lines = []
    for account in ACCOUNTS:
        with closing(Reviews(admin, account)) as reviews:
            lines += [f"{account}  {line}" for line in rows(reviews, known)]
    return "\n".join([*lines, ""])


def rows(reviews: Reviews, known: list[Resource]) -> Iterator[str]:
    for resource in known:
        everywhere = reviews.verbs(resource.name, EVERYWHERE)
        if everywhere:
            yield f"everywhere  {resource.name.rstrip('.')}  {' '.join(everywhere)}"
        for namespace in (OWN, OTHER) if resource.namespaced else ():
            more = [verb for verb in reviews.verbs(resource.name, namespace) if verb not in everywhere]
            if more:
                yield f"in {namespace}  {resource.name.rstrip('.')}  {' '.join(more)}"
    election = reviews.verbs("leases.coordination.k8s.io", OWN, "pulltrace-aggregator")
    other = reviews.verbs("leases.coordination.k8s.io", OWN, "node-1")
    yield f"in {OWN}  leases.coordination.k8s.io pulltrace-aggregator  {' '.join(election)}"
    yield f"in {OWN}  leases.coordination.k8s.io node-1  {' '.join(other)}"
    for path in PATHS:
        if reviews.may(nonResourceAttributes={"path": path, "verb": "get"}):
            yield f"path {path}  get"


def main() -> None:
    with installed() as cluster:
        print(table(cluster.admin), end="")


if __name__ == "__main__":
    main()
