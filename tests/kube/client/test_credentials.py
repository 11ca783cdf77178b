"""The service account of a pod: read once a minute, kept when it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulltrace.kube.client.credentials import InClusterConfig
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

    def account(self, **environ: str) -> InClusterConfig:
        return InClusterConfig(self.folder, {**HOST, **environ}, lambda: self.now)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


async def test_everything_is_read_from_the_mounted_folder(pod: Pod) -> None:
    """Address, token without its line break, CA and namespace."""
    config = await pod.account().config()

    assert config.base_url == "https://10.96.0.1:6443"
    assert config.authorization == "Bearer first"
    assert config.ca_file == str(pod.folder / "ca.crt")
    assert config.namespace == "pulltrace"
    assert config.verify


async def test_ipv6_addresses_are_bracketed(pod: Pod) -> None:
    """An address with colons needs brackets in a URL."""
    config = await pod.account(KUBERNETES_SERVICE_HOST="fd00::1").config()

    assert config.base_url == "https://[fd00::1]:6443"


async def test_the_token_is_read_again_after_a_minute(pod: Pod) -> None:
    """A rotated token is used within a minute, and the file is not read for each request."""
    account = pod.account()
    await account.config()
    pod.write(token="second")
    pod.now += 59
    assert (await account.config()).authorization == "Bearer first"
    pod.now += 1
    assert (await account.config()).authorization == "Bearer second"


async def test_an_unauthorized_token_is_read_again_at_once(pod: Pod) -> None:
    """After a 401 the cache is not trusted."""
    account = pod.account()
    await account.config()
    pod.write(token="second")

    assert (await account.config(unauthorized=True)).authorization == "Bearer second"


async def test_the_old_token_is_kept(pod: Pod, caplog: pytest.LogCaptureFixture) -> None:
    """A file that cannot be read for a moment costs a warning, not the connection."""
    account = pod.account()
    await account.config()
    (pod.folder / "token").unlink()
    pod.now += 60

    assert (await account.config()).authorization == "Bearer first"
    assert "keeping the old token" in caplog.text


async def test_an_empty_token_is_not_used(pod: Pod) -> None:
    """A token file that is empty, at the start or while it is being replaced, is no token."""
    account = pod.account()
    await account.config()
    pod.write(token=" \n")
    pod.now += 60

    assert (await account.config()).authorization == "Bearer first"
    with pytest.raises(ConnectError, match="is empty"):
        await pod.account().config()


async def test_a_missing_account_is_an_error(pod: Pod) -> None:
    """The error names the missing part on one line."""
    with pytest.raises(ConnectError, match="KUBERNETES_SERVICE_HOST is not set"):
        await pod.account(KUBERNETES_SERVICE_HOST="").config()
    (pod.folder / "token").unlink()
    with pytest.raises(ConnectError, match=r"cannot read the service account: .*token"):
        await pod.account().config()


async def test_the_namespace_may_be_missing(pod: Pod) -> None:
    """A projected token alone is enough to connect."""
    (pod.folder / "namespace").unlink()

    assert (await pod.account().config()).namespace is None


def test_presence_needs_both_address_and_token(pod: Pod) -> None:
    """A pod without a mounted token cannot use the API server."""
    assert pod.account().present
    assert not pod.account(KUBERNETES_SERVICE_HOST="").present
    (pod.folder / "token").unlink()
    assert not pod.account().present


async def test_credentials_do_not_show(pod: Pod) -> None:
    """A log line shows the address only."""
    assert repr(await pod.account().config()) == "RestConfig('https://10.96.0.1:6443')"
