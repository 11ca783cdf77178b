"""The address of the API server and the credentials for it. Tokens and certificates change at run time.

A client asks a `ConfigSource` before each request, so a source answers from its cache and reads its files at most once
a minute. In a pod the source is `InClusterConfig`; the `kubernetes` package for it would cost each node more memory
than the rest of the agent's Kubernetes code. Outside it is `kube.client.kubeconfig.Kubeconfig`.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pulltrace.kube.errors import ApiUnreachable, ConnectError

SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")

TOKEN_SECONDS = 60.0
"""How long a token is used before its file is read again. The kubelet renews it long before it expires."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RestConfig:
    """An address and the credentials that are valid now, as client-go's `rest.Config`."""

    base_url: str
    """`https://10.96.0.1:443`, without a slash at the end."""
    authorization: str | None = None
    """The whole header: `Bearer …` or `Basic …`."""
    ca_file: str | None = None
    """None trusts the system's certificate authorities."""
    certificate_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    """False only with the kubeconfig's `insecure-skip-tls-verify`."""
    server_name: str | None = None
    """The name in the server's certificate, when it differs from the address."""
    proxy: str | None = None
    namespace: str | None = None
    """The namespace of this pod, or of the kubeconfig's context."""

    def __repr__(self) -> str:
        return f"RestConfig({self.base_url!r})"  # credentials never reach a log


class ConfigSource(Protocol):
    """Returns the configuration that is valid now."""

    async def config(self, *, unauthorized: bool = False) -> RestConfig:
        """Return the current configuration. `unauthorized`: the last one got a 401, so no cache is used.

        Raises `ConnectError` without one.
        """


async def current_config(source: ConfigSource, *, unauthorized: bool) -> RestConfig:
    """Return the current configuration for a request: a plugin that fails at run time fails this request only."""
    try:
        return await source.config(unauthorized=unauthorized)
    except ConnectError as error:
        raise ApiUnreachable(str(error)) from error


class StaticConfig:
    """A configuration that never changes."""

    def __init__(self, config: RestConfig) -> None:
        self._config = config

    async def config(self, *, unauthorized: bool = False) -> RestConfig:
        return self._config


class InClusterConfig:
    """The service account that Kubernetes mounts into a pod."""

    def __init__(
        self,
        folder: Path = SERVICE_ACCOUNT_FOLDER,
        environ: Mapping[str, str] = os.environ,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._environ = environ
        self._monotonic = monotonic
        self._cached: RestConfig | None = None
        self._read_at = 0.0

    @property
    def present(self) -> bool:
        """Whether this process runs in a pod with a service account token."""
        return bool(self._environ.get("KUBERNETES_SERVICE_HOST")) and (self._folder / "token").exists()

    async def config(self, *, unauthorized: bool = False) -> RestConfig:
        now = self._monotonic()
        if self._cached is None or unauthorized or now - self._read_at >= TOKEN_SECONDS:
            self._read_at = now
            try:
                self._cached = self._read()
            except OSError as error:
                if self._cached is None:
                    raise ConnectError(f"cannot read the service account: {error}") from error
                # The old token may be valid for some time, and the next read is a minute away.
                _log.warning("cannot read the service account again, keeping the old token: %s", error)
        return self._cached

    def _read(self) -> RestConfig:
        """Read three small files on tmpfs, which does not block the event loop for long."""
        host = self._environ.get("KUBERNETES_SERVICE_HOST", "")
        port = self._environ.get("KUBERNETES_SERVICE_PORT") or "443"
        if not host:
            raise ConnectError("KUBERNETES_SERVICE_HOST is not set: this is not a pod")
        token = (self._folder / "token").read_text("utf-8", "replace").strip()
        if not token:
            raise OSError(f"the token in {self._folder} is empty")
        return RestConfig(
            base_url=f"https://{f'[{host}]' if ':' in host else host}:{port}",
            authorization=f"Bearer {token}",
            ca_file=str(self._folder / "ca.crt"),
            namespace=self._namespace(),
        )

    def _namespace(self) -> str | None:
        try:
            return (self._folder / "namespace").read_text("utf-8", "replace").strip() or None
        except OSError:
            return None
