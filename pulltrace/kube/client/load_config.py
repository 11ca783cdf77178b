"""The choice between the pod's service account and a kubeconfig."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pulltrace.kube.client.credentials import SERVICE_ACCOUNT_FOLDER, ConfigSource, InClusterConfig


async def load_config(
    kubeconfig: str | None = None,
    *,
    folder: Path = SERVICE_ACCOUNT_FOLDER,
    environ: Mapping[str, str] = os.environ,
) -> ConfigSource:
    """Return the source by the usual order: the named kubeconfig, the pod's service account, $KUBECONFIG, ~/.kube/config.

    Raises `ConnectError` when none is usable.
    """
    source: ConfigSource
    in_cluster = InClusterConfig(folder, environ)
    if kubeconfig is None and in_cluster.present:
        source = in_cluster
    else:
        # Imported late: the `kubernetes` package would not fit into the agent's memory.
        from pulltrace.kube.client.kubeconfig import Kubeconfig, default_paths

        source = Kubeconfig(default_paths(environ) if kubeconfig is None else kubeconfig)
    await source.config()
    return source
