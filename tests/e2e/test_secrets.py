"""Credentials in the answers of a registry: the kubelet repeats them, Pulltrace never does."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.faults import Fault
from tests.cluster.processes import wait_until
from tests.e2e.installs import NAMESPACE, logs
from tests.e2e.reach import Forward
from tests.e2e.workloads import MB, Shop
from tests.e2e.workloads import NAMESPACE as WORKLOADS

pytestmark = pytest.mark.e2e

SECRET = "Zq9ThisIsASecret"
UNREACHABLE = "http://127.0.0.1:9"
REDIRECT = Fault(
    "/blobs/", status=307, headers={"Location": f"http://me:{SECRET}@127.0.0.1:9/blob?X-Amz-Signature={SECRET}&x=1"}
)
"""A redirect to a signed URL, as registries answer that keep their blobs elsewhere."""
TOKEN = Fault(
    "/manifests/",
    status=401,
    headers={"WWW-Authenticate": f'Bearer realm="{UNREACHABLE}/token?access_token={SECRET}",service="registry"'},
)
"""A token server whose URL has a token."""
MESSAGE = Fault(
    "/manifests/", method="GET", status=403, message=f"denied: Authorization: Bearer {SECRET}, password={SECRET}"
)
"""The registry's own error message."""


@pytest.mark.parametrize("fault", [REDIRECT, TOKEN, MESSAGE], ids=["signed-url", "token-server", "words"])
def test_no_secret_gets_through(
    fault: Fault, pulltrace: Forward, cluster: Cluster, shop: Shop, request: pytest.FixtureRequest
) -> None:
    """Leases, documents, stream, metrics, Events and logs never have the secret of the kubelet's message."""
    node = cluster.nodes[1]
    name = f"secret-{request.node.callspec.id}"
    image = shop.image(name, MB)
    node.proxy.add(replace(fault, path=f"/{image.repository}{fault.path}"))
    shop.run(name, {"main": image}, node)
    message = wait_until(lambda: message_of(shop), "the kubelet's reason", seconds=60)
    pod = pulltrace.pod(name, lambda pod: pod["state"] == "failing", "to be failing")
    print(f"\nkubelet: {message}\nPulltrace: {pod['images'][0]['failure']['message']}")

    pulltrace.row(image, node, lambda row: "failure" in row, "to have failed")
    outputs = everything(pulltrace, cluster)
    assert [place for place in ("pulls", "pods", "stream") if name not in outputs[place]] == []
    assert [place for place, text in outputs.items() if SECRET in text] == []
    assert SECRET in message  # else the test proves nothing


def message_of(shop: Shop) -> str | None:
    """Return why the only pod's only container waits, by the kubelet's message."""
    (pod,) = shop.pods()
    messages = [one["state"].get("waiting", {}).get("message") for one in pod["status"].get("containerStatuses", [])]
    return next((message for message in messages if message and "ack-off" not in message), None)


def everything(pulltrace: Forward, cluster: Cluster) -> dict[str, str]:
    """Return all output of Pulltrace."""
    leases = cluster.user.get(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases")
    events = cluster.user.get(f"/api/v1/namespaces/{WORKLOADS}/events")["items"]
    own = [
        event for event in events if "pulltrace" in json.dumps([event.get("reportingComponent"), event.get("source")])
    ]
    with urllib.request.urlopen(f"{pulltrace.url}api/v1/events?pods=true&layers=true", timeout=10) as stream:
        snapshot = b"".join(iter(stream.readline, b"\n"))
    return {
        "leases": json.dumps(leases),
        "events": json.dumps(own),
        "stream": snapshot.decode(),
        "logs": "".join(logs(cluster).values()),
        "metrics": pulltrace.get(pulltrace.metrics_port, "/metrics"),
        **{what: pulltrace.get(pulltrace.port, f"/api/v1/{what}") for what in ("pulls", "pods", "workloads", "nodes")},
    }
