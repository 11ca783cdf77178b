"""The JSON blobs of an image: a registry serves them, and an agent reads them."""

from __future__ import annotations

import re

from pulltrace.containerd.manifests import (
    MAX_ENTRIES,
    MAX_LAYER_BYTES,
    Config,
    Index,
    Manifest,
    Opaque,
    chain_ids,
    parse_blob,
)

DIGEST = re.compile(r"[a-z0-9.+_-]{1,127}:[0-9a-f]{32,128}", re.ASCII)


def check(data: bytes) -> None:
    """Read any blob as an index, manifest or config with valid, bounded digests and sizes, or as none."""
    match parse_blob(data):
        case Manifest(config, layers):
            assert len(layers) <= MAX_ENTRIES
            assert config is None or DIGEST.fullmatch(config)
            for layer in layers:
                assert DIGEST.fullmatch(layer.digest)
                assert type(layer.size_bytes) is int
                assert 0 <= layer.size_bytes <= MAX_LAYER_BYTES
        case Index(digests):
            assert len(digests) <= MAX_ENTRIES
            assert all(DIGEST.fullmatch(digest) for digest in digests)
        case Config(diff_ids):
            assert len(diff_ids) <= MAX_ENTRIES
            assert all(DIGEST.fullmatch(digest) for digest in (*diff_ids, *chain_ids(diff_ids)))
        case other:
            assert other == Opaque()
