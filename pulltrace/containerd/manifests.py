"""The JSON blobs of an image: index, manifest, config (OCI image spec and Docker schema 2), and their labels.

Blobs come from a registry, so nothing in them is trusted: an unexpected value makes the blob `Opaque`, never an
exception.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pulltrace.pulls.redaction import redact_name

SOURCE_LABEL = "containerd.io/distribution.source."
MAX_BLOB_BYTES = 8 * 1024 * 1024
"""Registries refuse manifests above 4 MiB; larger blobs are layers."""
MAX_ENTRIES = 1000
"""Layers of a manifest, or images of an index. No file system stacks half as many layers."""
MAX_LAYER_BYTES = 2**40
MAX_DIGEST_CHARACTERS = 160
"""A SHA-512 digest has 135."""

_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-f]{32,128}")


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """A layer as the manifest names it."""

    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Index:
    """An image index or manifest list."""

    manifest_digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image manifest."""

    config_digest: str | None
    layers: tuple[LayerSpec, ...]
    """Bottom first. A digest may occur twice."""


@dataclass(frozen=True, slots=True)
class Config:
    """An image config."""

    diff_ids: tuple[str, ...]
    """Digests of the unpacked layers, bottom first."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """Any other blob, such as a layer."""


Blob = Index | Manifest | Config | Opaque


def parse_blob(data: bytes) -> Blob:
    """Parse a JSON blob. Its keys decide what it is: containerd stores no media types with blobs."""
    try:
        document = orjson.loads(data)
        if not isinstance(document, dict):
            return Opaque()
        if isinstance(document.get("layers"), list):
            return _manifest(document)
        if isinstance(document.get("manifests"), list):
            return Index(tuple(map(_digest_of, _bounded(document["manifests"]))))
        if isinstance(document.get("rootfs"), dict):
            return Config(tuple(map(_digest, _bounded(document["rootfs"].get("diff_ids") or []))))
    except (ValueError, KeyError, TypeError):
        pass
    return Opaque()


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of the layers' snapshots, bottom first (OCI image spec, "Layer ChainID")."""
    chain: list[str] = []
    for diff_id in diff_ids:
        if chain:
            chain.append("sha256:" + hashlib.sha256(f"{chain[-1]} {diff_id}".encode()).hexdigest())
        else:
            chain.append(diff_id)
    return tuple(chain)


def repositories(labels: Mapping[str, str]) -> set[str]:
    """Return the repositories in a blob's labels; containerd writes the host without the port."""
    return {
        redact_name(f"{key.removeprefix(SOURCE_LABEL)}/{path}")
        for key, value in labels.items()
        if key.startswith(SOURCE_LABEL)
        for path in value.split(",")
        if path
    }


def _manifest(document: dict[str, Any]) -> Manifest:
    layers = tuple(LayerSpec(_digest_of(entry), _size(entry)) for entry in _bounded(document["layers"]))
    config = document.get("config")
    return Manifest(_digest_of(config) if isinstance(config, dict) else None, layers)


def _bounded(entries: list[Any]) -> list[Any]:
    """Return the entries. Raises ValueError for too many: each may cost a call at every poll."""
    if len(entries) > MAX_ENTRIES:
        raise ValueError(len(entries))
    return entries


def _digest_of(entry: dict[str, Any]) -> str:
    return _digest(entry["digest"])


def _digest(digest: object) -> str:
    if not isinstance(digest, str) or len(digest) > MAX_DIGEST_CHARACTERS or not _DIGEST.fullmatch(digest):
        raise ValueError(digest)
    return digest


def _size(entry: dict[str, Any]) -> int:
    size = entry.get("size", 0)
    if type(size) is not int or not 0 <= size <= MAX_LAYER_BYTES:
        raise ValueError(size)
    return size
