"""The workload of a pod, from its labels and its controller."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pulltrace.pulls.view import Workload
from pulltrace.pulls.workloads import workload_of

HASHED = {"pod-template-hash": "7d4b9c6f5"}

CASES = [
    (("ReplicaSet", "web-7d4b9c6f5"), HASHED, ("Deployment", "web")),
    (("ReplicaSet", "my-web-7d4b9c6f5"), HASHED, ("Deployment", "my-web")),
    (("ReplicaSet", "web-7d4b9c6f5"), {}, ("ReplicaSet", "web-7d4b9c6f5")),
    (("ReplicaSet", "web-other"), HASHED, ("ReplicaSet", "web-other")),
    (("ReplicaSet", "7d4b9c6f5"), HASHED, ("ReplicaSet", "7d4b9c6f5")),
    (("ReplicaSet", "-7d4b9c6f5"), HASHED, ("ReplicaSet", "-7d4b9c6f5")),
    (("Job", "backup-29399640"), {}, ("CronJob", "backup")),
    (("Job", "backup-20261124"), {}, ("Job", "backup-20261124")),
    (("Job", "backup-99999999"), {}, ("Job", "backup-99999999")),
    (("Job", "backup-029399640"), {}, ("Job", "backup-029399640")),
    (("Job", "backup-²9399640"), {}, ("Job", "backup-²9399640")),
    (("Job", "29399640"), {}, ("Job", "29399640")),
    (("Job", "migrate"), {}, ("Job", "migrate")),
    (("StatefulSet", "db"), {}, ("StatefulSet", "db")),
    (("DaemonSet", "agent"), {}, ("DaemonSet", "agent")),
    (("Workflow", "nightly-29399640"), {}, ("Workflow", "nightly-29399640")),
    (("Node", "node-1"), {}, ("Pod", "web-1")),
    (None, HASHED, ("Pod", "web-1")),
]


@pytest.mark.parametrize(("owner", "labels", "expected"), CASES)
def test_the_workload_of_a_pod(
    owner: tuple[str, str] | None, labels: Mapping[str, str], expected: tuple[str, str]
) -> None:
    """The names of their objects reveal a Deployment and a CronJob; a date is no time of a CronJob."""
    assert workload_of("shop", "web-1", labels, owner) == Workload("shop", *expected)
