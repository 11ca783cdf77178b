"""The service account of a pod: read once a minute, kept when it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulltrace.kube.client.credentials import InCluster
from pulltrace.kube.errors import ConnectError

HOST = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "6443"}


class Pod:
    """The folder that Kubernetes mounts, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000.0
        self.write(token="first\n", **{"ca.crt": "", "namespace": "pulltrace"})

    def write(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def account(self, **environ: str) -> InCluster:
        return InCluster(self.folder, {**HOST, **environ}, lambda: self.now)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


async def test_everything_is_read_from_the_mounted_folder(pod: Pod) -> None:
    """Address, token without its line break, CA and namespace."""
    access = await pod.account().access()

    assert access.base_url == "https://10.96.0.1:6443"
    assert access.authorization == "Bearer first"
    assert access.ca_file == str(pod.folder / "ca.crt")
    assert access.namespace == "pulltrace"
    assert access.verify


async def test_ipv6_addresses_are_bracketed(pod: Pod) -> None:
    """An address with colons needs brackets in a URL."""
    access = await pod.account(KUBERNETES_SERVICE_HOST="fd00::1").access()

    assert access.base_url == "https://[fd00::1]:6443"


async def test_the_token_is_read_again_after_a_minute(pod: Pod) -> None:
    """A rotated token is used within a minute, and the file is not read for each request."""
    account = pod.account()
    await account.access()
    pod.write(token="second")
    pod.now += 59
    assert (await account.access()).authorization == "Bearer first"
    pod.now += 1
    assert (await account.access()).authorization == "Bearer second"


async def test_a_refused_token_is_read_again_at_once(pod: Pod) -> None:
    """After a 401 the cache is not trusted."""
    account = pod.account()
    await account.access()
    pod.write(token="second")

    assert (await account.access(refused=True)).authorization == "Bearer second"


async def test_what_was_read_is_kept(pod: Pod, caplog: pytest.LogCaptureFixture) -> None:
    """A file that cannot be read for a moment costs a warning, not the connection."""
    account = pod.account()
    await account.access()
    (pod.folder / "token").unlink()
    pod.now += 60

    assert (await account.access()).authorization == "Bearer first"
    assert "keeping what was read before" in caplog.text


async def test_an_empty_token_is_not_used(pod: Pod) -> None:
    """A token file that is empty, at the start or while it is being replaced, is no token."""
    account = pod.account()
    await account.access()
    pod.write(token=" \n")
    pod.now += 60

    assert (await account.access()).authorization == "Bearer first"
    with pytest.raises(ConnectError, match="is empty"):
        await pod.account().access()


async def test_without_an_account_there_is_no_access(pod: Pod) -> None:
    """What is missing is said in one line."""
    with pytest.raises(ConnectError, match="KUBERNETES_SERVICE_HOST is not set"):
        await pod.account(KUBERNETES_SERVICE_HOST="").access()
    (pod.folder / "token").unlink()
    with pytest.raises(ConnectError, match=r"cannot read the service account: .*token"):
        await pod.account().access()


async def test_the_namespace_may_be_missing(pod: Pod) -> None:
    """A projected token alone is enough to connect."""
    (pod.folder / "namespace").unlink()

    assert (await pod.account().access()).namespace is None


def test_presence_needs_both_address_and_token(pod: Pod) -> None:
    """A pod without a mounted token is not one that may talk to the API server."""
    assert pod.account().present
    assert not pod.account(KUBERNETES_SERVICE_HOST="").present
    (pod.folder / "token").unlink()
    assert not pod.account().present


async def test_credentials_do_not_show(pod: Pod) -> None:
    """An access in a log line tells the address only."""
    assert repr(await pod.account().access()) == "Access('https://10.96.0.1:6443')"
