"""Events of a kubelet, as records and as a kubelet of Kubernetes 1.34 writes them."""

from __future__ import annotations

from typing import Any

from pulltrace.kube.resources.kubelet_events import EventKind, KubeletEvent
from tests.builders.pods import NODE

Raw = dict[str, Any]


def kubelet_event(
    pod_name: str,
    image: str,
    at: float,
    container: str | None = "c0",
    kind: EventKind = EventKind.PULLING,
    message: str = "",
    count: int = 1,
) -> KubeletEvent:
    """Return an Event about the image of a container in the namespace shop."""
    return KubeletEvent("shop", pod_name, f"uid-{pod_name}", container, kind, image, message, at, count, NODE)


def event_object(
    reason: str,
    message: str,
    *,
    pod: str = "web-1",
    namespace: str = "shop",
    uid: str = "u-1",
    field: str | None = "spec.containers{main}",
    **more: Any,
) -> Raw:
    """Return an Event of node-1 about a container of a pod as JSON; `more` replaces its fields."""
    involved = {"kind": "Pod", "namespace": namespace, "name": pod, "uid": uid, "resourceVersion": "7"}
    return {
        "metadata": {"name": f"{pod}.{reason.lower()}", "namespace": namespace},
        "involvedObject": {**involved, **({"fieldPath": field} if field else {})},
        "reason": reason,
        "message": message,
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": "2026-11-24T06:00:00Z",
        "lastTimestamp": "2026-11-24T06:00:10Z",
        "count": 1,
        "type": "Normal",
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "node-1",
        **more,
    }


PULLING = event_object("Pulling", 'Pulling image "nginx:1"')
CRASHING = event_object("BackOff", "Back-off restarting failed container main in pod web-1_shop(u-1)")
"""About a container that crashes: no image is missing."""
