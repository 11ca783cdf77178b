"""The images of the demo: names, layers, and shared layers.

Sizes are rounded sizes of similar real images. The digest of a layer is a hash of its description: images with the same base
share its layers, and a new release differs only in its own layers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from pulltrace.containerd.manifests import chain_ids
from pulltrace.pulls.references import Reference, parse_reference

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """A layer, and its snapshot on top of the layers below."""

    digest: str
    chain_id: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a registry."""

    name: str
    """As pods write it."""
    layers: tuple[ImageLayer, ...]
    """Bottom first."""

    @property
    def reference(self) -> Reference:
        return parse_reference(self.name)

    @property
    def repository(self) -> str:
        return self.reference.repository

    @property
    def index_digest(self) -> str:
        return digest(f"index of {self.name}")

    @property
    def manifest_digest(self) -> str:
        return digest(f"manifest of {self.name}")

    @property
    def config_digest(self) -> str:
        return digest(f"config of {self.name}")

    @property
    def size_bytes(self) -> int:
        return sum(layer.size_bytes for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Recipe:
    """The layers of the images of one repository: those of a base, and its own."""

    repository: str
    own_mib: tuple[float, ...]
    base: str = ""
    """The key of the base's recipe; empty for an image from scratch."""
    base_tag: str = ""


RECIPES = {
    "debian": Recipe("debian", (28.2,)),
    "python": Recipe("python", (3.4, 11.6, 0.001), "debian", "bookworm-slim"),
    "node": Recipe("node", (0.01, 47.3, 1.7, 0.001), "debian", "bookworm-slim"),
    "java": Recipe("eclipse-temurin", (16.9, 152.0, 0.001), "debian", "bookworm-slim"),
    "nginx": Recipe("nginx", (41.8, 0.001, 0.001, 0.002), "debian", "bookworm-slim"),
    "redis": Recipe("redis", (0.9, 1.2, 14.8, 0.001), "debian", "bookworm-slim"),
    "postgres": Recipe("postgres", (1.1, 4.6, 1.4, 8.1, 113.0, 0.009, 0.001), "debian", "bookworm-slim"),
    "proxy": Recipe("docker.io/istio/proxyv2", (29.6, 0.8, 44.2, 12.5)),
    "fluent-bit": Recipe("cr.fluentbit.io/fluent/fluent-bit", (9.4, 21.7, 3.2)),
    "dcgm-exporter": Recipe("nvcr.io/nvidia/k8s/dcgm-exporter", (28.9, 118.0, 61.4, 0.4)),
    "web": Recipe("ghcr.io/acme/web", (13.7, 0.6), "nginx", "1.27.2"),
    "checkout": Recipe("ghcr.io/acme/checkout", (96.0, 38.5, 4.2), "node", "22-bookworm-slim"),
    "catalog": Recipe("ghcr.io/acme/catalog", (184.0, 22.0, 2.9), "python", "3.12-slim"),
    "search": Recipe("ghcr.io/acme/search", (231.0, 64.0, 7.5), "java", "21-jre"),
    "payments": Recipe("ghcr.io/acme/payments", (88.0, 31.0), "java", "21-jre"),
    "orders": Recipe("ghcr.io/acme/orders", (142.0, 51.0, 3.3), "java", "21-jre"),
    "gateway": Recipe("ghcr.io/acme/gateway", (121.0, 64.0, 8.2), "node", "22-bookworm-slim"),
    "ledger": Recipe("registry.acme.example/finance/ledger", (74.0, 12.0), "java", "21-jre"),
    "migrate": Recipe("ghcr.io/acme/db-migrate", (57.0, 4.8), "python", "3.12-slim"),
    "cuda": Recipe("nvidia/cuda", (28.2, 4.5, 53.1, 0.001, 0.07, 1184.0, 1352.0)),
    "pytorch": Recipe("pytorch/pytorch", (0.3, 318.0, 2217.0, 874.0, 0.001), "cuda", "12.4.1-devel"),
    "vllm": Recipe("vllm/vllm-openai", (45.0, 812.0, 1530.0, 96.0, 0.02), "cuda", "12.4.1-devel"),
    "triton": Recipe("nvcr.io/nvidia/tritonserver", (219.0, 1648.0, 431.0, 64.0), "cuda", "12.4.1-devel"),
    "nemo": Recipe("nvcr.io/nvidia/nemo", (512.0, 1210.0, 688.0, 141.0, 9.0), "cuda", "12.4.1-devel"),
    "trainer": Recipe("ghcr.io/acme/llm-trainer", (186.0, 421.0, 36.0), "pytorch", "2.4.0-cuda12.4-cudnn9-devel"),
    "embedder": Recipe("ghcr.io/acme/embedder", (263.0, 784.0, 24.0), "cuda", "12.4.1-devel"),
}


@lru_cache(maxsize=512)
def image(recipe: str, tag: str) -> Image:
    """Return the image of a recipe with a tag."""
    blobs = _blobs(recipe, tag)
    chain = chain_ids([digest(f"diff {blob}") for blob, _ in blobs])
    layers = tuple(
        ImageLayer(blob, chain_id, size_bytes) for (blob, size_bytes), chain_id in zip(blobs, chain, strict=True)
    )
    return Image(f"{RECIPES[recipe].repository}:{tag}", layers)


def _blobs(recipe: str, tag: str) -> tuple[tuple[str, int], ...]:
    """Return digest and size of each layer, bottom first."""
    chosen = RECIPES[recipe]
    below = _blobs(chosen.base, chosen.base_tag) if chosen.base else ()
    own = [(digest(f"layer {number} of {chosen.repository}:{tag}"), mib) for number, mib in enumerate(chosen.own_mib)]
    return (*below, *((blob, max(120, int(mib * MIB * _variation(blob)))) for blob, mib in own))


def _variation(blob: str) -> float:
    """Return a factor from 0.9 to 1.1, so that releases differ in size."""
    return 0.9 + 0.2 * int(blob[-4:], 16) / 0xFFFF


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
