"""Lazy snapshotters: a layer that its snapshotter serves from the registry is lazy, not done.

The snapshots are made by hand, with the label of stargz, SOCI and nydus, before the pull: containerd then fetches
nothing for them, as with the real ones.
"""

from __future__ import annotations

import pytest

from pulltrace.containerd.manifests import chain_ids
from pulltrace.containerd.observation import LAZY_LABEL
from pulltrace.pulls.model import LayerState
from tests.cluster.containerd import Containerd
from tests.cluster.images import Publisher, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry
from tests.real.conftest import MB
from tests.real.truth import Watch, pull_all

pytestmark = pytest.mark.real


async def test_lazy_layers(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """Two lazy layers below a real one: they are usable and not here, and only the third is to be downloaded."""
    layers = [random_layer(MB, seed=f"lazy-{number}") for number in range(3)]
    image = Publisher(registry.url).push("lazy/app", layers)
    below = ""
    for chain_id in chain_ids([layer.diff_id for layer in image.layers[:2]]):
        containerd.ctr("snapshots", "prepare", "lazy-work", *([below] if below else []))
        containerd.ctr("snapshots", "commit", chain_id, "lazy-work")
        containerd.ctr("snapshots", "label", chain_id, f"{LAZY_LABEL}=remote", "containerd.io/gc.root=1")
        below = chain_id
    proxy.set_rate(MB)
    async with Watch(containerd, [image]) as watch:
        assert await pull_all(containerd, [image.ref]) == [None]
        [pull] = await watch.wait_for_ends(1)

    assert [layer.state for layer in pull.layers] == [LayerState.LAZY, LayerState.LAZY, LayerState.DONE]
    assert (pull.total_bytes, pull.lazy_bytes, pull.cached_bytes) == (
        image.layers[2].size,
        image.layers[0].size + image.layers[1].size,
        0,
    )
