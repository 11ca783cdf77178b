"""Images that are unusual in their manifests: more platforms, attestations, big annotations, strange layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.images import (
    MEDIA_TYPES,
    PLATFORM,
    Image,
    Layer,
    Publisher,
    PushedLayer,
    _descriptor,
    _json,
    digest_of,
    random_layer,
)

TYPES = MEDIA_TYPES["oci"]


@dataclass(frozen=True)
class Odd:
    """The unusual parts of an image."""

    layer_types: Mapping[int, str] = field(default_factory=dict)
    """Other media types for layers, by their number."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the manifest."""
    config: Mapping[str, Any] | None = None
    """Another config than that of an image with these layers."""
    config_type: str = TYPES["config"]
    platforms: Sequence[Mapping[str, str]] = ()
    """An index that holds manifests for these platforms too, each with its own layer."""
    attested: bool = False
    """An index that holds an attestation for the image, as BuildKit writes it."""


ARTEFACT = Odd(
    layer_types={0: "application/vnd.example.chart", 1: "application/vnd.example.signature"},
    config={},
    config_type="application/vnd.oci.empty.v1+json",
)
"""No image: two blobs that cannot be unpacked."""


def push_odd(publisher: Publisher, repository: str, layers: Sequence[Layer], odd: Odd, tag: str = "1") -> Image:
    """Push an image, and return the part that a pull for this machine's platform gets."""
    pushed = tuple(
        PushedLayer(layer.digest, layer.size, layer.diff_id, odd.layer_types.get(number, TYPES[layer.compression]))
        for number, layer in enumerate(layers)
    )
    config = _json(dict(odd.config) if odd.config is not None else _config(PLATFORM, layers))
    manifest = _push_manifest(publisher, repository, layers, pushed, config, odd)
    entries = [_descriptor(TYPES["manifest"], manifest) | {"platform": PLATFORM}]
    for platform in odd.platforms:
        own = [random_layer(50_000, seed=f"{repository}-{platform}")]
        specs = [PushedLayer(layer.digest, layer.size, layer.diff_id, TYPES["gzip"]) for layer in own]
        other = _push_manifest(publisher, repository, own, specs, _json(_config(platform, own)), Odd())
        entries.append(_descriptor(TYPES["manifest"], other) | {"platform": dict(platform)})
    if odd.attested:
        entries.append(_push_attestation(publisher, repository, digest_of(manifest)))
    top, top_type = manifest, TYPES["manifest"]
    if len(entries) > 1:
        top_type = TYPES["index"]
        top = _json({"schemaVersion": 2, "mediaType": top_type, "manifests": entries})
    publisher._push_manifest(repository, tag, top, top_type)
    ref = f"{publisher.host}/{repository}:{tag}"
    return Image(
        ref=ref,
        refs=(ref,),
        repository=repository,
        manifest_digest=digest_of(manifest),
        index_digest=digest_of(top) if top is not manifest else None,
        config_digest=digest_of(config),
        layers=pushed,
    )


def _config(platform: Mapping[str, str], layers: Sequence[Layer]) -> dict[str, Any]:
    return {**platform, "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}}


def _push_manifest(
    publisher: Publisher,
    repository: str,
    layers: Sequence[Layer],
    specs: Sequence[PushedLayer],
    config: bytes,
    odd: Odd,
) -> bytes:
    for data in [*(layer.data for layer in layers), config]:
        publisher._push_blob(repository, data)
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": TYPES["manifest"],
            "config": _descriptor(odd.config_type, config),
            "layers": [{"mediaType": one.media_type, "digest": one.digest, "size": one.size} for one in specs],
            "annotations": dict(odd.annotations),
        }
    )
    publisher._push_manifest(repository, digest_of(manifest), manifest, TYPES["manifest"])
    return manifest


def _push_attestation(publisher: Publisher, repository: str, subject: str) -> dict[str, Any]:
    statement = Layer(_json({"_type": "https://in-toto.io/Statement/v0.1", "subject": subject}), "none", "")
    spec = PushedLayer(statement.digest, statement.size, "", "application/vnd.in-toto+json")
    unknown = {"architecture": "unknown", "os": "unknown"}
    config = _json({**unknown, "rootfs": {"type": "layers", "diff_ids": [statement.digest]}})
    manifest = _push_manifest(publisher, repository, [statement], [spec], config, Odd())
    annotations = {"vnd.docker.reference.digest": subject, "vnd.docker.reference.type": "attestation-manifest"}
    return _descriptor(TYPES["manifest"], manifest) | {"platform": unknown, "annotations": annotations}
