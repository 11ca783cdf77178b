"""The commands of the documentation for kubectl and curl, run on the cluster as they stand."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.e2e.installs import NAMESPACE
from tests.e2e.reach import Forward
from tests.repository.commands import ELSEWHERE, NOT_HERE, Command, documented

pytestmark = pytest.mark.e2e

ENDLESS = "/api/v1/events"
"""curl is ended after a moment."""


def of(program: str) -> list[Any]:
    mine = [one for one in documented() if one.program == program and not one.is_one_of(NOT_HERE | ELSEWHERE)]
    return [pytest.param(one, id=f"{one.page}: {one.text}") for one in mine]


@pytest.mark.parametrize("command", of("kubectl"))
def test_kubectl(command: Command, pulltrace: Forward, cluster: Cluster) -> None:
    """kubectl takes the command, and finds what it asks for."""
    [agent, *_] = cluster.user.get(
        f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io/component=agent"
    )["items"]
    meant = {"NODE": agent["spec"]["nodeName"], "node-1": agent["spec"]["nodeName"], "NAMESPACE": NAMESPACE}
    meant |= {"POD": agent["metadata"]["name"], "spec.nodeName=NODE": f"spec.nodeName={agent['spec']['nodeName']}"}

    output = cluster.kubectl(*(meant.get(word, word) for word in command.words[1:]))

    assert output.strip()
    assert "No resources found" not in output


@pytest.mark.parametrize("command", of("curl"))
def test_curl(command: Command, pulltrace: Forward) -> None:
    """The aggregator answers the commands of the documentation."""
    words = [word.replace("http://127.0.0.1:8080/", pulltrace.url) for word in command.words]
    limit = ["--max-time", "3"] if ENDLESS in command.text else ["--fail", "--max-time", "10"]
    result = subprocess.run([*words, *limit], capture_output=True, text=True, timeout=20, check=False)

    assert result.stdout.startswith(("{", "ok", "event: snapshot", "retry:", "id:"))
