"""The workload of a pod, from the pod alone. Pure.

A pod names its controller, and the controller's name reveals its owner. A Deployment names its ReplicaSets `NAME-HASH`
and labels their pods with the hash. A CronJob names its Jobs `NAME-MINUTES`, the time of the run in minutes since 1970.
So the aggregator reads neither ReplicaSets nor Jobs, and needs permissions for pods only.

The result is wrong for a ReplicaSet that a user made with the name and label of a Deployment's, and for a Job that a
user named after such a number of minutes. A date, as in `import-20261124`, is no such number.
"""

from __future__ import annotations

from collections.abc import Mapping

from pulltrace.pulls.view import Workload

HASH_LABEL = "pod-template-hash"
MINUTES = range(26_000_000, 70_000_000)
"""From 2019, before CronJobs named their Jobs so, to 2103. Dates of this century, as numbers, are smaller."""


def workload_of(namespace: str, pod_name: str, labels: Mapping[str, str], owner: tuple[str, str] | None) -> Workload:
    """Return the workload of a pod with these labels and this controller (kind and name; None without one)."""
    match owner:
        # The mirror of a static pod belongs to its Node.
        case None | ("Node", _):
            return Workload(namespace, "Pod", pod_name)
        case ("ReplicaSet", name):
            base, _, suffix = name.rpartition("-")
            if base and suffix == labels.get(HASH_LABEL):
                return Workload(namespace, "Deployment", base)
        case ("Job", name):
            base, _, suffix = name.rpartition("-")
            if base and len(suffix) == 8 and suffix.isascii() and suffix.isdigit() and int(suffix) in MINUTES:
                return Workload(namespace, "CronJob", base)
    return Workload(namespace, *owner)
