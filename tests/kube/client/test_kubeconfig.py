"""Kubeconfigs: their fields, and the refresh of their credentials."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from pulltrace.kube.client.aiohttp_client import connect
from pulltrace.kube.client.kubeconfig import Kubeconfig, default_paths
from pulltrace.kube.errors import ConnectError
from tests.fakes.api_server import FakeApiServer

Raw = dict[str, Any]


class Home:
    """A folder with a kubeconfig, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "config"
        self.now = 1000.0

    def write(self, user: Raw, cluster: Raw | None = None, *, namespace: str | None = None) -> None:
        context: Raw = {"cluster": "c", "user": "u"} | ({"namespace": namespace} if namespace else {})
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "contexts": [{"name": "x", "context": context}],
            "clusters": [{"name": "c", "cluster": {"server": "https://api.example:6443/", **(cluster or {})}}],
            "users": [{"name": "u", "user": user}],
        }
        self.path.write_text(json.dumps(config))

    def plugin(self, **status: str) -> Raw:
        """An exec plugin that counts its runs and puts the number after its token."""
        credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        runs = self.folder / "runs"
        script = self.folder / "plugin.sh"
        text = json.dumps(credential).replace('"token": "t"', '"token": "t\'$(wc -l < "$1")\'"')
        script.write_text(f"echo >> \"$1\"; echo '{text}'\n")
        return {"apiVersion": credential["apiVersion"], "command": "/bin/sh", "args": [str(script), str(runs)]}

    def source(self) -> Kubeconfig:
        return Kubeconfig(str(self.path), lambda: self.now)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


async def test_address_token_and_namespace(home: Home) -> None:
    """The plain case."""
    home.write({"token": "secret"}, namespace="tools")
    access = await home.source().config()

    assert (access.base_url, access.authorization) == ("https://api.example:6443", "Bearer secret")
    assert (access.namespace, access.verify) == ("tools", True)


async def test_everything_a_cluster_may_say(home: Home) -> None:
    """TLS name, proxy and skipped verification come through."""
    cluster = {"insecure-skip-tls-verify": True, "tls-server-name": "api", "proxy-url": "http://proxy:3128"}
    home.write({"username": "a", "password": "b"}, cluster)
    access = await home.source().config()

    assert (access.verify, access.server_name, access.proxy) == (False, "api", "http://proxy:3128")
    assert access.authorization == f"Basic {base64.b64encode(b'a:b').decode()}"


async def test_inline_certificates_become_files(home: Home) -> None:
    """Certificates inside the kubeconfig are readable by the TLS library."""
    inline = {name: base64.b64encode(name.encode()).decode() for name in ("ca", "cert", "key")}
    home.write(
        {"client-certificate-data": inline["cert"], "client-key-data": inline["key"]},
        {"certificate-authority-data": inline["ca"]},
    )
    access = await home.source().config()

    files = (access.ca_file, access.certificate_file, access.key_file)
    assert [Path(file or "").read_text() for file in files] == ["ca", "cert", "key"]


async def test_a_token_file_is_read_again(home: Home) -> None:
    """A token file is read once a minute, as in a pod."""
    token = home.folder / "token"
    token.write_text("first\n")
    home.write({"tokenFile": str(token)})
    source = home.source()
    assert (await source.config()).authorization == "Bearer first"
    token.write_text("second\n")
    home.now += 59
    assert (await source.config()).authorization == "Bearer first"
    home.now += 1
    assert (await source.config()).authorization == "Bearer second"


async def test_a_plugin_runs_once_while_its_token_is_good(home: Home) -> None:
    """A token with a late expiry stays in use."""
    home.write({"exec": home.plugin(token="t", expirationTimestamp="2999-01-01T00:00:00Z")})
    source = home.source()
    for _ in range(3):
        assert (await source.config()).authorization == "Bearer t1"
        home.now += 61


async def test_a_plugin_runs_again_before_its_token_expires(home: Home) -> None:
    """An expired token is replaced at the next check."""
    home.write({"exec": home.plugin(token="t", expirationTimestamp="2001-01-01T00:00:00Z")})
    source = home.source()
    assert (await source.config()).authorization == "Bearer t1"
    home.now += 60
    assert (await source.config()).authorization == "Bearer t2"


async def test_a_plugin_without_a_time_runs_again_after_401(home: Home) -> None:
    """Such a token is used until a 401; repeated ones run the plugin every 10 s."""
    home.write({"exec": home.plugin(token="t")})
    source = home.source()
    await source.config()
    home.now += 600
    assert (await source.config()).authorization == "Bearer t1"
    for seconds, expected in ((0, "t2"), (9, "t2"), (1, "t3")):
        home.now += seconds
        assert (await source.config(unauthorized=True)).authorization == f"Bearer {expected}"


async def test_a_plugin_that_fails_later_keeps_the_old_token(home: Home) -> None:
    """The old token may still be valid; otherwise the next 401 retries."""
    home.write({"exec": home.plugin(token="t")})
    source = home.source()
    await source.config()
    (home.folder / "plugin.sh").write_text("exit 1\n")
    home.now += 60

    assert (await source.config(unauthorized=True)).authorization == "Bearer t1"


async def test_a_changed_kubeconfig_counts_after_401(home: Home) -> None:
    """Renewed credentials in the file need no restart."""
    home.write({"token": "old"})
    source = home.source()
    await source.config()
    home.write({"token": "new"})
    home.now += 60

    assert (await source.config(unauthorized=True)).authorization == "Bearer new"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot use the kubeconfig"),
        ("[]", "cannot use the kubeconfig"),
        ("apiVersion: v1", "cannot use the kubeconfig"),
        ("\x00", "cannot use the kubeconfig"),
    ],
)
async def test_a_broken_kubeconfig_is_one_clear_line(home: Home, text: str, message: str) -> None:
    """For any content of the file the error names it and is one line."""
    home.path.write_text(text)
    with pytest.raises(ConnectError, match=message) as caught:
        await home.source().config()

    assert str(home.path) in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_plugin_that_fails_is_no_access(home: Home) -> None:
    """A plugin that gives nothing is an error, not an anonymous request."""
    home.write({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false"}})
    with pytest.raises(ConnectError, match=r"the exec plugin .* gave no credentials"):
        await home.source().config()


async def test_a_missing_kubeconfig_is_named(home: Home) -> None:
    """A path that leads nowhere is in the error."""
    with pytest.raises(ConnectError, match=f"no kubeconfig at {home.path}"):
        await connect(str(home.path))


async def test_several_files_are_merged(home: Home, server: FakeApiServer) -> None:
    """$KUBECONFIG may name several files; the first value counts."""
    home.write({"token": "secret"}, {"server": server.url})
    server.token = "secret"
    environ = {"KUBECONFIG": f"/absent:{home.path}"}
    async with await connect(folder=home.folder, environ=environ) as connection:
        assert (await connection.request("GET", "/api/v1/nodes"))[0] == 200


def test_the_usual_path_is_in_the_home_folder() -> None:
    """Without $KUBECONFIG it is ~/.kube/config."""
    assert default_paths({"HOME": "/home/x"}) == "/home/x/.kube/config"
    assert default_paths({"HOME": "/home/x", "KUBECONFIG": "/a:/b"}) == "/a:/b"
