"""Credentials from a kubeconfig, for a user's machine and for clusters that are managed from outside.

A kubeconfig has many rules (merged files, contexts, client certificates, exec plugins, OIDC), so the `kubernetes`
package reads it. That package is large: only `kube.client.load_config` imports this module, and only for a kubeconfig.
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

from pulltrace.kube.client.credentials import TOKEN_SECONDS, RestConfig
from pulltrace.kube.errors import ConnectError, one_line
from pulltrace.pulls.redaction import redact

UNAUTHORIZED_SECONDS = 10.0
"""Shortest time between two runs of a plugin or an identity provider after a 401."""

_log = logging.getLogger(__name__)


def default_paths(environ: Mapping[str, str] = os.environ) -> str:
    """Return $KUBECONFIG (one path or several, separated by colons), else ~/.kube/config."""
    return environ.get("KUBECONFIG") or str(Path(environ.get("HOME") or Path.home()) / ".kube" / "config")


class _Settings:
    """The part of the library's `Configuration` that its loader sets from a kubeconfig."""

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
    """A `ConfigSource` that refreshes its credentials once a minute, and after a 401."""

    def __init__(self, paths: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._paths = paths
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._loader: Any = None
        self._cached: RestConfig | None = None
        self._loaded_at = 0.0

    async def config(self, *, unauthorized: bool = False) -> RestConfig:
        async with self._lock:  # one run of a plugin serves all requests that need it
            age = self._monotonic() - self._loaded_at
            if self._cached is None:
                self._cached = await self._load()
                self._loaded_at = self._monotonic()
            elif age >= (UNAUTHORIZED_SECONDS if unauthorized else TOKEN_SECONDS) and (
                unauthorized or self._may_expire()
            ):
                self._loaded_at = self._monotonic()
                try:
                    self._cached = await self._load(again=unauthorized)
                except ConnectError as error:
                    _log.warning("cannot refresh the credentials, keeping the old ones: %s", error)
            return self._cached

    def _may_expire(self) -> bool:
        """Return False for an exec plugin without an expiry: it runs again after a 401, not each minute."""
        return not self._plugin() or hasattr(self._loader, "exec_plugin_expiry")

    def _plugin(self) -> bool:
        user = getattr(self._loader, "_user", None)
        return bool(user and "exec" in user)

    async def _load(self, *, again: bool = False) -> RestConfig:
        """Read the files (the first time, and `again` after a 401), then let the library load the token."""
        settings = _Settings()
        try:
            # An OIDC loader stays: it holds the newest refresh token, which the file lacks.
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
        return RestConfig(
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
            raise ConnectError(f"no API server is known: this is not a pod, and found no kubeconfig at {self._paths}")
        merged = KubeConfigMerger(self._paths).config  # type: ignore[no-untyped-call]  # the library has no types
        return KubeConfigLoader(config_dict=merged, config_base_path=None)  # type: ignore[no-untyped-call]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _describe(error: Exception) -> str:
    """Return the error without the file's content, which may be a token.

    NOTE: yaml's error has the line, and the library's the whole user entry that lacks a key.
    """
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return one_line(f"{error.problem or error.context} in line {error.problem_mark.line + 1}")
    return redact(one_line(str(error).partition("{")[0])) or type(error).__name__
