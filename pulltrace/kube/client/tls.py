"""The lower half of a connection: sockets that notice a dead peer, and TLS that follows the CA file.

The API server's certificate and name are always checked (unless a kubeconfig says otherwise). The one thing
that is switched off is VERIFY_X509_STRICT: from Python 3.13 on it refuses the CAs of EKS and microk8s, which
lack an extension that RFC 5280 asks for.
"""

from __future__ import annotations

import logging
import socket
import ssl
from asyncio.trsock import TransportSocket
from pathlib import Path
from typing import Any, TypeAlias

from pulltrace.kube.client.credentials import Access

KEEPALIVE_IDLE_SECONDS = 20
KEEPALIVE_INTERVAL_SECONDS = 10
KEEPALIVE_PROBES = 3
"""A peer that vanished without a FIN (node lost, NAT entry dropped) is noticed after 20 + 3 x 10 seconds."""
UNSENT_SECONDS = 30
"""The same for a peer that vanishes while we send: without it Linux tries for a quarter of an hour."""

AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]
"""What `getaddrinfo` says of an address: family, kind, protocol, canonical name, address."""

_Fingerprint: TypeAlias = tuple[object, ...]

_log = logging.getLogger(__name__)


def open_socket(address: AddressInfo) -> socket.socket:
    """A TCP socket that notices a dead peer, for aiohttp's connector."""
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    notice_dead_peer(opened)
    return opened


def notice_dead_peer(opened: socket.socket | TransportSocket) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", UNSENT_SECONDS * 1000),
    ):
        if hasattr(socket, option):  # Linux has them all; macOS, where developers run the aggregator, has not
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class TlsContexts:
    """One SSL context for the process, built again only when a certificate file has changed.

    A context costs up to 26 ms and 0.8 MiB, a look at a file's time next to nothing.
    """

    def __init__(self) -> None:
        self._fingerprint: _Fingerprint | None = None
        self._context: ssl.SSLContext | None = None

    def context(self, access: Access) -> ssl.SSLContext:
        """The context for `access`. Raises `OSError` (`ssl.SSLError` is one) when there is no usable one."""
        fingerprint = _fingerprint(access)
        if self._context is None or fingerprint != self._fingerprint:
            try:
                self._context = _build(access)
            except OSError as error:
                if self._context is None:
                    raise
                # Caught a file while it was being written: what we have is still the best we know.
                _log.warning("cannot load the changed certificates, keeping the old ones: %s", error)
            else:
                self._fingerprint = fingerprint
        return self._context


def _fingerprint(access: Access) -> _Fingerprint:
    files = (access.ca_file, access.certificate_file, access.key_file)
    return (access.verify, *files, *(_changed_at(file) for file in files))


def _changed_at(file: str | None) -> int | None:
    try:
        return Path(file).stat().st_mtime_ns if file else None
    except OSError:
        return None


def _build(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=access.ca_file)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if access.certificate_file:
        context.load_cert_chain(access.certificate_file, access.key_file)
    if not access.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
