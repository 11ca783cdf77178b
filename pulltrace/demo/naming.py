"""Names of ReplicaSets and pods, as in Kubernetes but the same in every run."""

from __future__ import annotations

import hashlib

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""The letters of suffixes in Kubernetes: without vowels, so that no words appear."""


def replica_set(name: str, release: str) -> str:
    return f"{name}-{_suffix(f'{name} {release}', 10)}"


def pod_name(name: str, release: str, instance: str) -> str:
    """Return the name of a pod; `instance` distinguishes the pods of one ReplicaSet."""
    return f"{replica_set(name, release)}-{_suffix(f'{name} {release} {instance}', 5)}"


def _suffix(text: str, length: int) -> str:
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in hashlib.sha256(text.encode()).digest()[:length])
