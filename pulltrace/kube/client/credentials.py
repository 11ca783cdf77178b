"""Where the API server is and who we are to it, as it stands now: tokens and certificates change while we run.

A connection asks an `AccessSource` before each request, so a source answers from its cache and looks at its
files at most once a minute. Inside a cluster that source is `InCluster`, written here in a few lines because
the `kubernetes` package would cost every node more memory than the rest of the agent's Kubernetes code.
Outside, it is `kube.client.kubeconfig.Kubeconfig`, which is imported only then.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pulltrace.kube.errors import ConnectError

SERVICE_ACCOUNT_FOLDER = Path("/var/run/secrets/kubernetes.io/serviceaccount")

TOKEN_SECONDS = 60.0
"""How long a token is used before its file is read again. The kubelet renews it long before it expires."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """An address and the credentials that are valid there at this moment."""

    base_url: str
    """`https://10.96.0.1:443`, without a slash at the end."""
    authorization: str | None = None
    """The whole header: `Bearer …` or `Basic …`."""
    ca_file: str | None = None
    """None trusts the system's certificate authorities."""
    certificate_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    """False only where a kubeconfig says `insecure-skip-tls-verify`."""
    server_name: str | None = None
    """The name in the server's certificate, when it is not the one in the address."""
    proxy: str | None = None
    namespace: str | None = None
    """Where we run, or the kubeconfig's context points to."""

    def __repr__(self) -> str:
        return f"Access({self.base_url!r})"  # credentials never reach a log


class AccessSource(Protocol):
    """Knows the access of this moment."""

    async def access(self, *, refused: bool = False) -> Access:
        """The access of this moment. `refused` says that the last one was answered with 401: do not trust a cache.

        Raises `ConnectError` when there is none.
        """


class FixedAccess:
    """An access that never changes."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def access(self, *, refused: bool = False) -> Access:
        return self._access


class InCluster:
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
        self._cached: Access | None = None
        self._read_at = 0.0

    @property
    def present(self) -> bool:
        """Whether this process runs in a pod that may talk to the API server."""
        return bool(self._environ.get("KUBERNETES_SERVICE_HOST")) and (self._folder / "token").exists()

    async def access(self, *, refused: bool = False) -> Access:
        now = self._monotonic()
        if self._cached is None or refused or now - self._read_at >= TOKEN_SECONDS:
            self._read_at = now
            try:
                self._cached = self._read()
            except OSError as error:
                if self._cached is None:
                    raise ConnectError(f"cannot read the service account: {error}") from error
                # The old token may be good for a while yet, and the next look is a minute away.
                _log.warning("cannot read the service account again, keeping what was read before: %s", error)
        return self._cached

    def _read(self) -> Access:
        """Three small files in memory (tmpfs): reading them does not hold the event loop up."""
        host = self._environ.get("KUBERNETES_SERVICE_HOST", "")
        port = self._environ.get("KUBERNETES_SERVICE_PORT") or "443"
        if not host:
            raise ConnectError("KUBERNETES_SERVICE_HOST is not set: this is not a pod")
        token = (self._folder / "token").read_text("utf-8", "replace").strip()
        if not token:
            raise OSError(f"the token in {self._folder} is empty")
        return Access(
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


async def usual_source(
    kubeconfig: str | None = None,
    *,
    folder: Path = SERVICE_ACCOUNT_FOLDER,
    environ: Mapping[str, str] = os.environ,
) -> AccessSource:
    """Access by the usual rules: the kubeconfig that is named, else the pod's service account,
    else $KUBECONFIG or ~/.kube/config. Raises `ConnectError` when there is none.
    """
    source: AccessSource
    in_cluster = InCluster(folder, environ)
    if kubeconfig is None and in_cluster.present:
        source = in_cluster
    else:
        # Here, and not above: it loads the `kubernetes` package, which the agent has no memory for.
        from pulltrace.kube.client.kubeconfig import Kubeconfig, usual_paths

        source = Kubeconfig(usual_paths(environ) if kubeconfig is None else kubeconfig)
    await source.access()
    return source
