"""Access by a kubeconfig, for a person's own machine and for clusters managed from outside.

The rules of a kubeconfig are many (merged files, contexts, client certificates, exec plugins, OIDC), so the
`kubernetes` package reads it. That package is large: import this module only when there is a kubeconfig.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from kubernetes.aio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from pulltrace.kube.client.credentials import TOKEN_SECONDS, Access
from pulltrace.kube.errors import ConnectError, one_line
from pulltrace.pulls.redaction import redact

REFUSED_SECONDS = 10.0
"""After a 401, plugins and identity providers are not asked more often than this."""

_log = logging.getLogger(__name__)


def usual_paths(environ: Mapping[str, str] = os.environ) -> str:
    """$KUBECONFIG (one path or several, separated by colons), else ~/.kube/config."""
    return environ.get("KUBECONFIG") or str(Path(environ.get("HOME") or Path.home()) / ".kube" / "config")


class _Settings:
    """What the library's loader writes into: of its `Configuration`, only what a kubeconfig can set."""

    def __init__(self) -> None:
        self.api_key: dict[str, str] = {}
        self.host: str | None = None
        self.ssl_ca_cert: str | None = None
        self.cert_file: str | None = None
        self.key_file: str | None = None
        self.verify_ssl: bool = True
        self.tls_server_name: str | None = None
        self.proxy: str | None = None


class Kubeconfig:
    """An `AccessSource` that keeps its credentials fresh: it looks once a minute, and after a 401."""

    def __init__(self, paths: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._paths = paths
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._loader: Any = None
        self._cached: Access | None = None
        self._loaded_at = 0.0

    async def access(self, *, refused: bool = False) -> Access:
        async with self._lock:  # one run of a plugin serves everybody who waits for it
            age = self._monotonic() - self._loaded_at
            if self._cached is None:
                self._cached = await self._load()
                self._loaded_at = self._monotonic()
            elif age >= (REFUSED_SECONDS if refused else TOKEN_SECONDS) and (refused or self._may_expire()):
                self._loaded_at = self._monotonic()
                try:
                    self._cached = await self._load(again=refused)
                except ConnectError as error:
                    _log.warning("cannot refresh the credentials, keeping the old ones: %s", error)
            return self._cached

    def _may_expire(self) -> bool:
        """False for an exec plugin that named no time: running it each minute would be wrong, a 401 will tell."""
        return not self._plugin() or hasattr(self._loader, "exec_plugin_expiry")

    def _plugin(self) -> bool:
        user = getattr(self._loader, "_user", None)
        return bool(user and "exec" in user)

    async def _load(self, *, again: bool = False) -> Access:
        """Read the files (the first time, and `again` after a 401), then let the library see to the token."""
        settings = _Settings()
        try:
            # An OIDC loader stays: it holds the newest refresh token, which the file does not.
            if self._loader is None or (again and self._loader.provider != "oidc"):
                self._loader = self._read_files()
            await self._loader.load_and_set(settings)
        except ConnectError:
            raise
        except Exception as error:  # the library raises KeyError, TypeError, ValueError, yaml's own, OSError, ...
            raise ConnectError(f"cannot use the kubeconfig {self._paths}: {_describe(error)}") from error
        token = settings.api_key.get("BearerToken", "").strip()
        if self._plugin() and not token and not settings.cert_file:
            raise ConnectError(f"the exec plugin of the kubeconfig {self._paths} gave no credentials (see above)")
        if not settings.host:
            raise ConnectError(f"the kubeconfig {self._paths} names no server")
        return Access(
            base_url=settings.host,
            authorization=token or None,
            ca_file=settings.ssl_ca_cert,
            certificate_file=settings.cert_file,
            key_file=settings.key_file,
            verify=settings.verify_ssl,
            server_name=_text(settings.tls_server_name),
            proxy=_text(settings.proxy),
            namespace=_text(self._loader.current_context["context"].get("namespace")),
        )

    def _read_files(self) -> Any:
        paths = [Path(path).expanduser() for path in self._paths.split(os.pathsep) if path]
        if not any(path.exists() for path in paths):
            raise ConnectError(
                f"no API server is known: this is not a pod, and there is no kubeconfig at {self._paths}"
            )
        merged = KubeConfigMerger(self._paths).config  # type: ignore[no-untyped-call]  # the library has no types
        return KubeConfigLoader(config_dict=merged, config_base_path=None)  # type: ignore[no-untyped-call]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _describe(error: Exception) -> str:
    """What is wrong, without what stands in the file: that may be a token.

    NOTE: yaml shows the line, and the library the whole user that lacks something.
    """
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return one_line(f"{error.problem or error.context} in line {error.problem_mark.line + 1}")
    return redact(one_line(str(error).partition("{")[0])) or type(error).__name__
