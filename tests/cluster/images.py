"""Container images made on the spot and pushed to the registry.

A layer is a tar of files with random bytes (of a seed, so the same call makes the same digest), or with
given contents; compressed or not, it is about as big as it was asked to be. Images may share layers, and
have an index and several tags. Everything goes over HTTP straight to the registry, not by the proxy.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.cluster import binaries

Compression = Literal["gzip", "zstd", "none"]
Format = Literal["oci", "docker"]

_OCI = "application/vnd.oci.image."
_DOCKER = "application/vnd.docker."
MEDIA_TYPES: dict[Format, dict[str, str]] = {
    "oci": {
        "index": _OCI + "index.v1+json",
        "manifest": _OCI + "manifest.v1+json",
        "config": _OCI + "config.v1+json",
        "gzip": _OCI + "layer.v1.tar+gzip",
        "zstd": _OCI + "layer.v1.tar+zstd",
        "none": _OCI + "layer.v1.tar",
    },
    "docker": {
        "index": _DOCKER + "distribution.manifest.list.v2+json",
        "manifest": _DOCKER + "distribution.manifest.v2+json",
        "config": _DOCKER + "container.image.v1+json",
        "gzip": _DOCKER + "image.rootfs.diff.tar.gzip",
        "zstd": _DOCKER + "image.rootfs.diff.tar.zstd",
        "none": _DOCKER + "image.rootfs.diff.tar",
    },
}
PLATFORM = {"architecture": "amd64", "os": "linux"}
EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Layer:
    """A layer as it is stored: its bytes, and the digests that name it."""

    data: bytes = field(repr=False)
    compression: Compression
    diff_id: str
    """The digest of the tar before compression."""

    @property
    def digest(self) -> str:
        """The digest of the stored bytes."""
        return digest_of(self.data)

    @property
    def size(self) -> int:
        """The number of bytes that a pull moves."""
        return len(self.data)


@dataclass(frozen=True)
class PushedLayer:
    """A layer in the registry."""

    digest: str
    size: int
    diff_id: str
    media_type: str


@dataclass(frozen=True)
class Image:
    """An image in the registry."""

    ref: str
    """Host, repository and first tag: what a pod would name."""
    refs: tuple[str, ...]
    """The same with each of the tags."""
    repository: str
    manifest_digest: str
    index_digest: str | None
    config_digest: str
    """The image ID."""
    layers: tuple[PushedLayer, ...]

    @property
    def size(self) -> int:
        """The bytes of all its layers, each counted once."""
        return sum({layer.digest: layer.size for layer in self.layers}.values())

    @property
    def target_digest(self) -> str:
        """The target of a tag: the index if there is one, else the manifest."""
        return self.index_digest or self.manifest_digest

    @property
    def digest_ref(self) -> str:
        """Host and repository, by digest."""
        return f"{self.ref.rpartition(':')[0]}@{self.target_digest}"


def random_layer(size: int, *, seed: int | str, compression: Compression = "gzip", files: int = 1) -> Layer:
    """Return a layer of random files with `size` bytes together; compression does not make it smaller."""
    chance = random.Random(seed)
    each = size // files
    return file_layer({f"data/{seed}-{number}": chance.randbytes(each) for number in range(files)}, compression)


def file_layer(
    contents: Mapping[str, bytes],
    compression: Compression = "gzip",
    *,
    mode: int = 0o755,
    links: Mapping[str, str] | None = None,
    folders: Sequence[str] = (),
) -> Layer:
    """Return a layer with these files, symbolic links and folders, whose names are paths without a leading slash."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in folders:
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(member)
        for name, data in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = mode
            tar.addfile(member, io.BytesIO(data))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            tar.addfile(member)
    plain = buffer.getvalue()
    return Layer(_compress(plain, compression), compression, digest_of(plain))


@dataclass(frozen=True)
class Publisher:
    """Pushes images to a registry, under the host name that references to them will use."""

    url: str
    """Where the registry is, e.g. `registry.url`."""
    host: str = "registry.test"
    """The host in references; containerd's `registries` option leads from here to the proxy."""

    def push(
        self,
        repository: str,
        layers: Sequence[Layer],
        *,
        tags: Sequence[str] = ("latest",),
        image_format: Format = "oci",
        index: bool = False,
        entrypoint: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Image:
        """Push an image of these layers and return it."""
        types = MEDIA_TYPES[image_format]
        pushed = tuple(
            PushedLayer(layer.digest, layer.size, layer.diff_id, types[layer.compression]) for layer in layers
        )
        config = _json(
            {
                **PLATFORM,
                "created": EPOCH,
                "config": {
                    "Entrypoint": list(entrypoint) or None,
                    "Env": [f"{name}={value}" for name, value in (environment or {}).items()],
                },
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
                "history": [{"created": EPOCH, "created_by": "pulltrace tests"} for _ in layers],
            }
        )
        for data in [*(layer.data for layer in layers), config]:
            self._push_blob(repository, data)
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": types["manifest"],
                "config": _descriptor(types["config"], config),
                "layers": [
                    {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size} for layer in pushed
                ],
            }
        )
        top, top_type = manifest, types["manifest"]
        if index:
            self._push_manifest(repository, digest_of(manifest), manifest, types["manifest"])
            entry = _descriptor(types["manifest"], manifest) | {"platform": PLATFORM}
            top, top_type = (
                _json({"schemaVersion": 2, "mediaType": types["index"], "manifests": [entry]}),
                types["index"],
            )
        for tag in tags:
            self._push_manifest(repository, tag, top, top_type)
        refs = tuple(f"{self.host}/{repository}:{tag}" for tag in tags)
        return Image(
            ref=refs[0],
            refs=refs,
            repository=repository,
            manifest_digest=digest_of(manifest),
            index_digest=digest_of(top) if index else None,
            config_digest=digest_of(config),
            layers=pushed,
        )

    def _push_blob(self, repository: str, data: bytes) -> None:
        digest = digest_of(data)
        try:
            self._ask("HEAD", f"{self.url}/v2/{repository}/blobs/{digest}")
            return
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 404:
                    raise
        location = self._ask("POST", f"{self.url}/v2/{repository}/blobs/uploads/")
        separator = "&" if "?" in location else "?"
        self._ask("PUT", f"{location}{separator}digest={digest}", data, "application/octet-stream")

    def _push_manifest(self, repository: str, reference: str, data: bytes, media_type: str) -> None:
        self._ask("PUT", f"{self.url}/v2/{repository}/manifests/{reference}", data, media_type)

    def _ask(self, method: str, url: str, data: bytes = b"", content_type: str = "") -> str:
        request = urllib.request.Request(url, data if method != "HEAD" else None, method=method)
        if content_type:
            request.add_header("Content-Type", content_type)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=120) as answer:
            return str(answer.headers.get("Location", ""))


def digest_of(data: bytes) -> str:
    """Return the digest as images name it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _compress(data: bytes, compression: Compression) -> bytes:
    if compression == "gzip":
        return gzip.compress(data, compresslevel=1, mtime=0)
    if compression == "zstd":
        zstd = [str(binaries.debian("zstd")), "-1", "--stdout"]
        return subprocess.run(zstd, input=data, capture_output=True, check=True).stdout
    return data
