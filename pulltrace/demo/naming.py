"""Names of ReplicaSets and pods as Kubernetes makes them, but the same in every run."""

from __future__ import annotations

import hashlib

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes suffixes of: no vowels, so no words."""


def replica_set(name: str, release: str) -> str:
    return f"{name}-{_suffix(f'{name} {release}', 10)}"


def pod_name(name: str, release: str, instance: str) -> str:
    """`instance` tells the pods of one ReplicaSet apart."""
    return f"{replica_set(name, release)}-{_suffix(f'{name} {release} {instance}', 5)}"


def _suffix(text: str, length: int) -> str:
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in hashlib.sha256(text.encode()).digest()[:length])
