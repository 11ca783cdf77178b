"""Reads the JSON blobs of an image: index, manifest, config (OCI image spec and Docker schema 2), and their labels.

Blobs come from a registry, so they are foreign bytes: whatever is not as expected makes the blob
`Opaque`, never an exception.
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
"""Layers, or images of an index. No file system stacks half as many, and there are not half as many platforms."""
MAX_LAYER_BYTES = 2**40
MAX_DIGEST_CHARACTERS = 160
"""That of SHA-512 has 135."""

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
    """In the order of the image, bottom first; a digest may stand twice."""


@dataclass(frozen=True, slots=True)
class Config:
    """An image config: what its layers unpack to."""

    diff_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """Anything else: a layer, an artefact, junk."""


Blob = Index | Manifest | Config | Opaque


def parse_blob(data: bytes) -> Blob:
    """What a JSON blob is, told by its keys (media types are not stored with blobs)."""
    try:
        document = orjson.loads(data)
        if not isinstance(document, dict):
            return Opaque()
        if isinstance(document.get("layers"), list):
            return _manifest(document)
        if isinstance(document.get("manifests"), list):
            return Index(tuple(map(_digest_of, _few(document["manifests"]))))
        if isinstance(document.get("rootfs"), dict):
            return Config(tuple(map(_digest, _few(document["rootfs"].get("diff_ids") or []))))
    except (ValueError, KeyError, TypeError):
        pass
    return Opaque()


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """The names of the snapshots that the layers unpack to, bottom first (OCI image spec, "Layer ChainID")."""
    chain: list[str] = []
    for diff_id in diff_ids:
        if chain:
            chain.append("sha256:" + hashlib.sha256(f"{chain[-1]} {diff_id}".encode()).hexdigest())
        else:
            chain.append(diff_id)
    return tuple(chain)


def repositories(labels: Mapping[str, str]) -> set[str]:
    """Where a blob was fetched from, as containerd notes it on the blob: by host, without the port."""
    return {
        redact_name(f"{key.removeprefix(SOURCE_LABEL)}/{path}")
        for key, value in labels.items()
        if key.startswith(SOURCE_LABEL)
        for path in value.split(",")
        if path
    }


def _manifest(document: dict[str, Any]) -> Manifest:
    layers = tuple(LayerSpec(_digest_of(entry), _size(entry)) for entry in _few(document["layers"]))
    config = document.get("config")
    return Manifest(_digest_of(config) if isinstance(config, dict) else None, layers)


def _few(entries: list[Any]) -> list[Any]:
    """As many as an image can have; each of them may be asked for at every look."""
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
