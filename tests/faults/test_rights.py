"""D20 and D22: tokens, authorities and permissions that change while the programs run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pulltrace.agent.lease_writer import LeaseWriter
from pulltrace.kube.client.aiohttp_client import AiohttpClient
from pulltrace.kube.client.credentials import TOKEN_SECONDS, InClusterConfig
from pulltrace.kube.client.h11_client import H11Client
from pulltrace.kube.errors import ApiUnreachable
from pulltrace.kube.resources.leases import KubeLeaseStore, LeasePatch, lease_list_watch
from pulltrace.kube.watch.reflector import Reflector
from pulltrace.kube.watch.watch_events import Replaced, Upserted
from pulltrace.pulls.model import NodeReport
from tests.builders.pulls import pull, report
from tests.builders.virtual_time import FakeTime
from tests.cluster.api import ApiError, Identity
from tests.cluster.pki import Authority
from tests.cluster.processes import wait_until
from tests.faults.link import Link
from tests.faults.stage import LEASES, NAMESPACE, Stage

pytestmark = pytest.mark.real("etcd", "openssl")

PATCH = LeasePatch({"pulltrace.io/summary": "idle"}, holder="agent", renewed_at=1_763_910_000.0, duration_seconds=300)
ROLES = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings"


@dataclass
class Account:
    """The folder of a pod's service account, as the kubelet keeps it up to date, and the clock of its reader."""

    folder: Path
    link: Link
    now: float = 0.0

    def source(self) -> InClusterConfig:
        environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.link.port)}
        return InClusterConfig(self.folder, environ, monotonic=lambda: self.now)

    def token(self, token: str) -> None:
        self._put("token", token)

    def authorities(self, *certificates: Path) -> None:
        self._put("ca.crt", "".join(one.read_text() for one in certificates))

    def _put(self, name: str, text: str) -> None:
        new = self.folder / f".{name}"
        new.write_text(text)
        new.rename(self.folder / name)


@pytest.fixture
def account(stage: Stage, tmp_path: Path) -> Iterator[Account]:
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    with stage.link() as link:
        account = Account(folder, link)
        account.authorities(stage.control_plane.authority.certificate)
        account.token(stage.control_plane.token(NAMESPACE, "pulltrace-agent", node="node-1"))
        yield account


async def test_d20_token_is_rotated_and_revoked(stage: Stage, account: Account) -> None:
    """A new token is used within a minute, and at once when the old one is refused; no write is lost."""
    # NOTE: the minute is the injected clock of the token's file; the API server judges the tokens for real.
    asked: list[str] = []
    source = account.source()
    async with H11Client(source) as connection:
        store = KubeLeaseStore(connection, NAMESPACE)
        await store.patch("node-1", PATCH)
        first = (await source.config()).authorization
        account.token(stage.control_plane.token(NAMESPACE, "pulltrace-agent", node="node-1", seconds=7200))
        account.now += TOKEN_SECONDS
        await store.patch("node-1", PATCH)
        second = (await source.config()).authorization
        account.token("revoked")
        account.now += TOKEN_SECONDS
        asked.append(str((await source.config()).authorization))  # what every request has from now on
        account.token(stage.control_plane.token(NAMESPACE, "pulltrace-agent", node="node-1"))
        await store.patch("node-1", PATCH)
        third = (await source.config()).authorization

    assert TOKEN_SECONDS <= 60
    assert asked == ["Bearer revoked"]
    assert len({first, second, third, "Bearer revoked"}) == 4


async def test_d20_authority_is_rotated(stage: Stage, account: Account, tmp_path: Path) -> None:
    """The API server shows a certificate of a new authority: with the new bundle agent and watch go on, without a
    restart.
    """
    new = Authority(tmp_path / "new")
    new.create()
    account.token(stage.control_plane.token(NAMESPACE, "pulltrace-aggregator"))
    stage.report("node-1", NodeReport())
    async with H11Client(account.source()) as small, AiohttpClient(account.source()) as connection:
        store, watching = KubeLeaseStore(small, NAMESPACE), Reflector(connection, lease_list_watch(NAMESPACE))
        async with aclosing(watching.watch()) as events:
            assert isinstance(await anext(events), Replaced)
            assert await store.get("node-1") is not None
            account.authorities(stage.control_plane.authority.certificate, new.certificate)
            account.link.present(new.issue("link", "link", addresses=["IP:127.0.0.1"]))
            stage.report("node-1", NodeReport(pulls=(pull(1),)))
            async with asyncio.timeout(20):
                event = await anext(events)
            assert await store.get("node-1") is not None
            # An authority that is removed is no longer trusted.
            account.authorities(stage.control_plane.authority.certificate)
            with pytest.raises(ApiUnreachable, match="certificate verify failed"):
                await store.get("node-1")

    assert isinstance(event, Upserted)


@asynccontextmanager
async def without_binding(stage: Stage, name: str) -> AsyncIterator[None]:
    """Remove the chart's RoleBinding for the length of the block, once the API server has noticed."""
    kept = stage.admin.get(f"{ROLES}/{name}")
    stage.admin.delete(f"{ROLES}/{name}")
    try:
        yield
    finally:
        kept["metadata"] = {"name": name}
        stage.admin.create(ROLES, kept)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_d20_right_to_write_is_removed(stage: Stage, account: Account, caplog: pytest.LogCaptureFixture) -> None:
    """The agent names the permission, retries once a minute, and writes the present state when it is granted again."""
    # NOTE: the waits are virtual; the API server forbids for real.
    slept: list[float] = []
    async with H11Client(account.source()) as connection:

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) >= 5:
                given.set()
                await back.wait()

        given, back = asyncio.Event(), asyncio.Event()
        writer = LeaseWriter(KubeLeaseStore(connection, NAMESPACE), "node-1", "agent", None, sleep=sleep)
        writer.offer(report())
        await writer.write()
        async with without_binding(stage, "pulltrace-agent"):
            await until(lambda: _forbidden(stage, account, "patch"))
            began = time.monotonic()
            trying = asyncio.create_task(writer._write_with_retries())
            await given.wait()
            tries = len(account.link.requests("PATCH|POST|GET .*/node-1", began))
        await until(lambda: not _forbidden(stage, account, "patch"))
        back.set()
        await trying

    assert min(slept) >= 60
    assert tries == len(slept)
    messages = [line for line in caplog.messages if "missing permission" in line]
    assert len(messages) == len(slept)
    assert all("get, create and patch leases.coordination.k8s.io: 403" in line for line in messages)


async def test_d20_right_to_watch_is_removed(stage: Stage, account: Account, caplog: pytest.LogCaptureFixture) -> None:
    """The aggregator keeps its rows, names the permission, retries once a minute, and watches again when
    it is granted.
    """
    caplog.set_level(logging.WARNING)
    account.token(stage.control_plane.token(NAMESPACE, "pulltrace-aggregator"))
    stage.report("node-1", NodeReport())
    time_ = FakeTime()
    async with AiohttpClient(account.source()) as connection:
        watching = Reflector(connection, lease_list_watch(NAMESPACE), timing=time_.timing)
        async with aclosing(watching.watch()) as events:
            assert isinstance(await anext(events), Replaced)
            hearing = asyncio.create_task(anext(events))
            async with without_binding(stage, "pulltrace-aggregator"):
                await until(lambda: _forbidden(stage, account, "watch"))
                account.link.cut()
                await until(lambda: watching.health.restarts["forbidden"] >= 3)
                problem = watching.health.problem or ""
            stage.report("node-1", NodeReport(pulls=(pull(1),)))
            async with asyncio.timeout(20):
                event = await hearing
            with contextlib.suppress(asyncio.CancelledError):
                hearing.cancel()
    waits = [seconds for seconds in time_.slept if seconds >= 60]

    assert len(waits) >= 3
    assert "missing permission to list and watch leases.coordination.k8s.io in namespace pulltrace" in problem
    assert any(problem in line for line in caplog.messages)
    assert isinstance(event, Upserted | Replaced)
    assert watching.health.problem is None


def _forbidden(stage: Stage, account: Account, verb: str) -> bool:
    """Return whether RBAC, which learns of changes by a watch, denies this account now."""
    identity = stage.control_plane.with_token((account.folder / "token").read_text())
    what = {"group": "coordination.k8s.io", "resource": "leases", "verb": verb, "namespace": NAMESPACE}
    review = {"spec": {"resourceAttributes": what}}
    answer = identity.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return not answer["status"]["allowed"]


def test_d22_policy_is_missing(stage: Stage, tmp_path: Path) -> None:
    """Without the per-node policy all works, an agent can write another's Lease, and log and metric report it."""
    binding = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
    [kept] = stage.admin.get(binding)["items"]
    agent = stage.control_plane.with_token(stage.control_plane.token(NAMESPACE, "pulltrace-agent", node="node-2"))
    stage.report("node-1", NodeReport(pulls=(pull(1),)))
    stage.admin.delete(f"{binding}/{kept['metadata']['name']}")
    try:
        wait_until(lambda: _writes(agent, "node-1"), "the policy to be gone", seconds=30)
        with stage.aggregator(tmp_path, None, "--per-node-policy", "false") as aggregator:
            rows = aggregator.pulls()
            metrics = aggregator.metrics()
            log = aggregator.process.log.read_text()
    finally:
        kept["metadata"] = {"name": kept["metadata"]["name"], "labels": kept["metadata"]["labels"]}
        stage.admin.create(binding, kept)
    wait_until(lambda: not _writes(agent, "node-1"), "the policy to be enforced", seconds=30)

    assert [row["phase"] for row in rows] == ["downloading"]
    assert metrics["pulltrace_per_node_policy"] == 0
    assert log.count("per-node isolation is not enforced") == 1


def _writes(agent: Identity, node: str) -> bool:
    """Return whether the agent can write the Lease of this node."""
    try:
        agent.patch(f"{LEASES}/{node}", {"metadata": {"annotations": {"pulltrace.io/summary": "by another"}}})
    except ApiError as error:
        return error.status != 403
    return True
