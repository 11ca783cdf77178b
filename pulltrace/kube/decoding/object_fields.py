"""The fields that are read of large Pods and Leases; small ones are parsed whole."""

from __future__ import annotations

from pulltrace.kube.decoding.json_fields import Shape
from pulltrace.pulls.workloads import HASH_LABEL

_STATE: Shape = {"waiting": {"reason": None, "message": None}, "running": {}, "terminated": {}}
_STATUS: Shape = {"name": None, "imageID": None, "state": _STATE}
_CONTAINER: Shape = {"name": None, "image": None, "restartPolicy": None}

POD: Shape = {
    "metadata": {
        **dict.fromkeys(("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")),
        "labels": {HASH_LABEL: None},
        "ownerReferences": dict.fromkeys(("kind", "name", "controller")),
        "annotations": {"kubernetes.io/config.mirror": None},
    },
    "spec": {
        "nodeName": None,
        "volumes": {"name": None, "image": {"reference": None}},
        "initContainers": _CONTAINER,
        "containers": _CONTAINER,
        "ephemeralContainers": _CONTAINER,
    },
    "status": {
        **dict.fromkeys(("phase", "startTime")),
        "initContainerStatuses": _STATUS,
        "containerStatuses": _STATUS,
        "ephemeralContainerStatuses": _STATUS,
    },
}
"""The fields that `kube.resources.pending_pods.pod_record` reads."""

LEASE: Shape = {
    "metadata": dict.fromkeys(("name", "namespace", "resourceVersion", "annotations")),
    "spec": dict.fromkeys(("holderIdentity", "renewTime", "leaseDurationSeconds")),
}
"""The fields that `kube.resources.lease_store.lease_record` reads; API servers bound an object's annotations to 256 KiB."""

MAX_EVENT_BYTES = 64 * 1024
"""A kubelet's message has 1 KiB, and its Event 2 KiB."""
