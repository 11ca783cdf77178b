"""Events as a kubelet of 1.34 writes them."""

from __future__ import annotations

from typing import Any

Raw = dict[str, Any]


def event(reason: str, message: str, *, field: str | None = "spec.containers{main}", **more: Any) -> Raw:
    """An Event of node-1 about the pod shop/web-1; `more` replaces what is at its top."""
    involved = {"kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "u-1", "resourceVersion": "7"}
    return {
        "metadata": {"name": f"web-1.{reason.lower()}", "namespace": "shop", "resourceVersion": "1234"},
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


PULLING = event("Pulling", 'Pulling image "nginx:1"')
CRASHING = event("BackOff", "Back-off restarting failed container main in pod web-1_shop(u-1)")
"""About a container that does not stay up: no image is missing."""
