"""Reading index, manifest and config: what is understood, and what is left alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pulltrace.containerd.manifests import (
    MAX_ENTRIES,
    MAX_LAYER_BYTES,
    Config,
    Index,
    LayerSpec,
    Manifest,
    Opaque,
    chain_ids,
    parse_blob,
)

A, B, C = ("sha256:" + digit * 64 for digit in "abc")


def parsed(document: object) -> object:
    return parse_blob(json.dumps(document).encode())


def layers(*entries: object) -> dict[str, Any]:
    return {"schemaVersion": 2, "layers": list(entries)}


def test_an_oci_manifest_names_its_layers_in_order() -> None:
    """Digest and size of each layer, bottom first, and the digest of the config."""
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    entries = [{"digest": digest, "size": size, "mediaType": kind} for digest, size in ((A, 10), (B, 20), (A, 10))]

    assert parsed({**layers(*entries), "config": {"digest": C, "size": 5}}) == Manifest(
        C, (LayerSpec(A, 10), LayerSpec(B, 20), LayerSpec(A, 10))
    )


def test_a_docker_manifest_is_read_like_an_oci_one() -> None:
    """The keys decide the kind: Docker's media types change nothing."""
    kind = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    document = {
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"digest": C},
        **layers({"digest": A, "size": 1, "mediaType": kind}),
    }

    assert parsed(document) == Manifest(C, (LayerSpec(A, 1),))


def test_a_manifest_may_have_no_config() -> None:
    """Some artefacts have layers and nothing else."""
    assert parsed(layers({"digest": A, "size": 1})) == Manifest(None, (LayerSpec(A, 1),))


def test_an_index_names_its_manifests() -> None:
    """An OCI index and a Docker manifest list are the same."""
    assert parsed({"manifests": [{"digest": A}, {"digest": B}]}) == Index((A, B))


def test_a_config_names_what_its_layers_unpack_to() -> None:
    """Only the digests of the unpacked layers are read from a config."""
    assert parsed({"rootfs": {"type": "layers", "diff_ids": [A, B]}, "config": {"Env": []}}) == Config((A, B))
    assert parsed({"rootfs": {}}) == Config(())


JUNK = {
    "nothing": b"",
    "a gzip": b"\x1f\x8b\x08\x00",
    "no JSON": b"{",
    "not UTF-8": b'{"layers":["\xff"]}',
    "deep": b"[" * 5000,
    "a list": b"[]",
    "a number": b"1",
    "another object": b"{}",
    "layers no list": b'{"layers":{}}',
    "rootfs no object": b'{"rootfs":[]}',
    "manifests of numbers": b'{"manifests":[1]}',
    "diff_ids a number": b'{"rootfs":{"diff_ids":1}}',
}


@pytest.mark.parametrize("data", JUNK.values(), ids=JUNK)
def test_anything_else_is_opaque(data: bytes) -> None:
    """Other blobs of a registry are opaque."""
    assert parse_blob(data) == Opaque()


@pytest.mark.parametrize(
    "entry",
    [
        1,
        {},
        {"digest": 1},
        {"digest": "sha256"},
        {"digest": "sha256:short"},
        {"digest": "sha256:" + "A" * 64},
        {"digest": "sha256:" + "\u202e" * 64},
        {"digest": A, "size": -1},
        {"digest": A, "size": True},
        {"digest": A, "size": "10"},
        {"digest": A, "size": 1.5},
        {"digest": A, "size": MAX_LAYER_BYTES + 1},
        {"digest": A, "size": 10**30},
    ],
)
def test_a_manifest_with_an_impossible_layer_is_opaque(entry: object) -> None:
    """An impossible layer makes the manifest opaque: digests and sizes need no further check."""
    assert parsed(layers({"digest": A, "size": 1}, entry)) == Opaque()


def test_a_manifest_with_a_thousand_layers_is_too_many() -> None:
    """More layers than any file system stacks make the manifest opaque."""
    entry = {"digest": A, "size": 1}

    assert isinstance(parsed(layers(*[entry] * MAX_ENTRIES)), Manifest)
    assert parsed(layers(*[entry] * (MAX_ENTRIES + 1))) == Opaque()


def test_chain_ids_are_those_of_the_specification() -> None:
    """The first is the layer itself; each further one is the digest of the one below and the layer."""
    assert chain_ids([]) == ()
    assert chain_ids([A]) == (A,)
    # The results of sha256sum for "sha256:aaa… sha256:bbb…", and for that digest and "sha256:ccc…".
    assert chain_ids([A, B, C])[1:] == (
        "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c",
        "sha256:c1377126441fb2f5ec2c21ae2a60255331d639e830f0ee1b40a36e52d4c40588",
    )
