"""Sockets and TLS, against a server with a certificate of our own."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pulltrace.kube.client.credentials import RestConfig, StaticConfig
from pulltrace.kube.client.tls import TlsContexts, open_socket
from pulltrace.kube.errors import ApiUnreachable
from tests.cluster.pki import Authority
from tests.fakes import api_server
from tests.kube.connections import Connecting

NODES = "/api/v1/nodes"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = Authority(tmp_path / "pki")
    authority.create()
    return authority


@asynccontextmanager
async def serving(authority: Authority, address: str = "IP:127.0.0.1") -> AsyncIterator[str]:
    """The URL of an API server with a certificate for this address."""
    issued = authority.issue("server", "kube-apiserver", addresses=[address])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(issued.certificate, issued.key)
    async with api_server.running(context) as server:
        yield server.url


async def ask(connecting: Connecting, access: RestConfig) -> int:
    async with connecting(StaticConfig(access)) as connection:
        return (await connection.request("GET", NODES))[0]


async def test_a_trusted_certificate_is_accepted(connecting: Connecting, authority: Authority) -> None:
    """The cluster's own CA is enough."""
    async with serving(authority) as url:
        assert await ask(connecting, RestConfig(url, ca_file=str(authority.certificate))) == 200


async def test_an_unknown_authority_is_refused(connecting: Connecting, authority: Authority, tmp_path: Path) -> None:
    """Neither another CA nor the system's vouch for the server."""
    other = Authority(tmp_path / "other")
    other.create()
    async with serving(authority) as url:
        for ca_file in (str(other.certificate), None):
            with pytest.raises(ApiUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
                await ask(connecting, RestConfig(url, ca_file=ca_file))


async def test_a_wrong_name_is_refused(connecting: Connecting, authority: Authority) -> None:
    """A certificate for another name is refused, unless the configuration has that name."""
    async with serving(authority, "DNS:elsewhere") as url:
        access = RestConfig(url, ca_file=str(authority.certificate))
        with pytest.raises(ApiUnreachable, match="IP address mismatch"):
            await ask(connecting, access)
        assert await ask(connecting, replace(access, server_name="elsewhere")) == 200


async def test_verification_is_off_only_on_request(connecting: Connecting, authority: Authority) -> None:
    """`insecure-skip-tls-verify` accepts anything."""
    async with serving(authority, "DNS:elsewhere") as url:
        assert await ask(connecting, RestConfig(url, verify=False)) == 200


async def test_a_new_ca_file_is_noticed(connecting: Connecting, authority: Authority, tmp_path: Path) -> None:
    """A rotated CA is trusted without a restart."""
    other = Authority(tmp_path / "other")
    other.create()
    mounted = tmp_path / "ca.crt"
    mounted.write_bytes(other.certificate.read_bytes())
    async with serving(authority) as url, connecting(StaticConfig(RestConfig(url, ca_file=str(mounted)))) as connection:
        with pytest.raises(ApiUnreachable):
            await connection.request("GET", NODES)
        mounted.write_bytes(authority.certificate.read_bytes())
        os.utime(mounted, (1, 1))
        assert (await connection.request("GET", NODES))[0] == 200


async def test_a_missing_ca_file_is_unreachable(connecting: Connecting, tmp_path: Path) -> None:
    """An absent CA file at the start is `ApiUnreachable`."""
    with pytest.raises(ApiUnreachable, match="No such file"):
        await ask(connecting, RestConfig("https://127.0.0.1:1", ca_file=str(tmp_path / "absent")))


def test_a_context_is_kept_while_its_files_are(authority: Authority, tmp_path: Path) -> None:
    """The same files make the same context; changed ones a new one; broken ones none."""
    contexts = TlsContexts()
    mounted = tmp_path / "ca.crt"
    mounted.write_bytes(authority.certificate.read_bytes())
    access = RestConfig("https://x", ca_file=str(mounted))
    first = contexts.context(access)
    assert contexts.context(access) is first
    os.utime(mounted, (1, 1))
    second = contexts.context(access)
    assert second is not first
    mounted.write_text("half a certif")
    os.utime(mounted, (2, 2))
    assert contexts.context(access) is second


def test_only_the_strict_flag_is_cleared(authority: Authority) -> None:
    """CAs without key identifiers pass; certificates and names are checked as ever."""
    issued = authority.issue("client", "a-user")
    access = RestConfig("https://x", ca_file=str(authority.certificate))
    context = TlsContexts().context(replace(access, certificate_file=str(issued.certificate), key_file=str(issued.key)))

    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_sockets_notice_a_dead_peer() -> None:
    """Keepalive is on, and unacknowledged data times out."""
    with open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))) as opened:
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 20
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
