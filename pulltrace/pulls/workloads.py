"""What a pod belongs to, told by the pod alone. Pure.

A pod names its controller, and the controller of that one can be told by the name: a Deployment calls its
ReplicaSets `NAME-HASH` and puts the hash on their pods as a label; a CronJob calls its Jobs `NAME-MINUTES`, the
time of the run in minutes since 1970. So neither ReplicaSets nor Jobs have to be read, and the permissions stay
with pods.

It could be wrong for a ReplicaSet that somebody made by hand with the name and label of a Deployment's, and for a
Job that somebody called after a number of the last years' minutes. (A date, as in `import-20261124`, is none.)
"""

from __future__ import annotations

from collections.abc import Mapping

from pulltrace.pulls.view import Workload

HASH_LABEL = "pod-template-hash"
MINUTES = range(26_000_000, 70_000_000)
"""From 2019, before CronJobs named their Jobs so, to 2103; the dates of this century, as numbers, are below."""


def workload_of(namespace: str, pod_name: str, labels: Mapping[str, str], owner: tuple[str, str] | None) -> Workload:
    """The workload of a pod with these labels and this controller (kind and name; None without one)."""
    match owner:
        # A static pod's mirror belongs to its Node, which says nothing of what it is.
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
