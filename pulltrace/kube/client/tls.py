"""Sockets that detect a dead peer, and TLS contexts that follow the CA file.

The API server's certificate and name are always verified, unless a kubeconfig disables it. VERIFY_X509_STRICT is
cleared: from Python 3.13 on it rejects the CAs of EKS and microk8s, which lack an extension that RFC 5280 requires.
"""

from __future__ import annotations

import logging
import socket
import ssl
from asyncio.trsock import TransportSocket
from pathlib import Path
from typing import Any, TypeAlias

from pulltrace.kube.client.credentials import RestConfig

KEEPALIVE_IDLE_SECONDS = 20
KEEPALIVE_INTERVAL_SECONDS = 10
KEEPALIVE_PROBES = 3
"""A peer that vanished without a FIN (lost node, dropped NAT entry) is detected after 20 + 3 x 10 seconds."""
UNSENT_SECONDS = 30
"""The same while data is unacknowledged: Linux' default is a quarter of an hour."""

AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]
"""An address of `getaddrinfo`: family, kind, protocol, canonical name, address."""

_Fingerprint: TypeAlias = tuple[object, ...]

_log = logging.getLogger(__name__)


def open_socket(address: AddressInfo) -> socket.socket:
    """Open a TCP socket that detects a dead peer, for aiohttp's connector."""
    family, kind, protocol, _, _ = address
    opened = socket.socket(family, kind, protocol)
    set_keepalive(opened)
    return opened


def set_keepalive(opened: socket.socket | TransportSocket) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ("TCP_USER_TIMEOUT", UNSENT_SECONDS * 1000),
    ):
        if hasattr(socket, option):  # Linux has all of them; macOS, where developers run the aggregator, has not
            opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class TlsContexts:
    """One SSL context for the process, rebuilt only after a certificate file has changed.

    A context costs up to 26 ms and 0.8 MiB; a stat of each file costs microseconds.
    """

    def __init__(self) -> None:
        self._fingerprint: _Fingerprint | None = None
        self._context: ssl.SSLContext | None = None

    def context(self, config: RestConfig) -> ssl.SSLContext:
        """Return the context for `config`. Raises `OSError` (`ssl.SSLError` is one) without a usable one."""
        fingerprint = _fingerprint(config)
        if self._context is None or fingerprint != self._fingerprint:
            try:
                self._context = _build(config)
            except OSError as error:
                if self._context is None:
                    raise
                # A file may be half written; the old context stays valid.
                _log.warning("cannot load the changed certificates, keeping the old ones: %s", error)
            else:
                self._fingerprint = fingerprint
        return self._context


def _fingerprint(config: RestConfig) -> _Fingerprint:
    files = (config.ca_file, config.certificate_file, config.key_file)
    return (config.verify, *files, *(_modified_at(file) for file in files))


def _modified_at(file: str | None) -> int | None:
    try:
        return Path(file).stat().st_mtime_ns if file else None
    except OSError:
        return None


def _build(config: RestConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.ca_file)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if config.certificate_file:
        context.load_cert_chain(config.certificate_file, config.key_file)
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
