"""The layers of a pull from poll to poll, alone and shared by two pulls."""

from __future__ import annotations

import grpc
import pytest

from pulltrace.containerd.observation import (
    LayerObservation,
    Observer,
)
from tests.containerd.polling import BASE, MIDDLE, NGINX, TOP, layers, one
from tests.fakes.containerd import SNAPSHOTTER, FakeContainerd, image

pytestmark = pytest.mark.usefixtures("clock")


async def test_a_download_shows_its_offset(node: FakeContainerd, observer: Observer) -> None:
    """Bytes, and since when, of a layer that is on its way."""
    node.pull(NGINX).resolve().download(0, 400)
    base = layers(await one(observer))[0]

    assert (base.ingested_bytes, base.ingest_started_at, base.stored_at) == (
        400,
        node.ingests[f"layer-{BASE}"].started_at,
        None,
    )


async def test_a_layer_that_is_here_has_a_time(node: FakeContainerd, observer: Observer) -> None:
    """The time of a blob shows whether this pull brought it."""
    node.pull(NGINX).resolve().download(0, 400).commit(0)
    base = layers(await one(observer))[0]

    assert (base.ingested_bytes, base.stored_at) == (None, node.blobs[BASE].created_at)


async def test_a_layer_that_is_being_committed_is_not_missing(node: FakeContainerd, observer: Observer) -> None:
    """For a moment a blob is neither a download nor content: while its lease holds the download it stays what it was."""
    pull = node.pull(NGINX).resolve().download(0, 1000)
    before = layers(await one(observer))[0]
    del node.ingests[f"layer-{BASE}"]
    assert layers(await one(observer))[0] == before

    pull.commit(0)

    assert layers(await one(observer))[0].stored_at is not None


async def test_unpacking_is_seen(node: FakeContainerd, observer: Observer) -> None:
    """A snapshot that is being extracted, then the committed one."""
    pull = node.pull(NGINX).resolve().commit(0).unpacking(0)
    base = layers(await one(observer))[0]
    assert (base.unpacking, base.unpacked_at) == (True, None)

    pull.unpack(0)
    base = layers(await one(observer))[0]

    assert (base.unpacking, base.unpacked_at) == (False, node.snapshots[SNAPSHOTTER, NGINX.chain[0]])


async def test_layers_that_are_on_the_node_are_present_at_once(node: FakeContainerd, observer: Observer) -> None:
    """The lease names a cached layer when containerd reaches it; the total must not wait for that."""
    node.store(b"\x1f\x8b", digest=TOP, size=3000)
    node.pull(NGINX).resolve()
    top = layers(await one(observer))[2]

    assert top.stored_at == node.blobs[TOP].created_at < node.leases["pull-1"].created_at


async def test_layers_whose_blobs_were_discarded_have_snapshots(node: FakeContainerd, observer: Observer) -> None:
    """With `discard_unpacked_layers` only the snapshots of an image stay on the node."""
    node.pull(NGINX, "before").complete()
    for digest in (BASE, MIDDLE, TOP):
        del node.blobs[digest]
    node.pull(NGINX).resolve()

    assert [(layer.stored_at, layer.unpacked_at is not None) for layer in layers(await one(observer))] == [
        (None, True)
    ] * 3


async def test_the_snapshotter_is_the_one_that_the_pull_uses(node: FakeContainerd, observer: Observer) -> None:
    """Chain IDs are looked for where this containerd unpacks."""
    node.pull(NGINX).resolve().commit(0)
    node.hold("pull-1", "snapshots/native", f"extract-1-Ab {NGINX.chain[1]}")
    node.snapshots["native", NGINX.chain[0]] = node.now()

    assert layers(await one(observer))[0].unpacked_at is not None


async def test_a_layer_that_containerd_begins_again_is_missing_again(node: FakeContainerd, observer: Observer) -> None:
    """A download that was thrown away leaves nothing."""
    node.pull(NGINX).resolve().download(0, 900)
    await observer.observe()
    del node.ingests[f"layer-{BASE}"]
    node.release("pull-1", "ingests", f"layer-{BASE}")

    assert layers(await one(observer))[0] == LayerObservation(BASE, 1000)


async def test_a_blob_that_was_removed_and_is_fetched_again_downloads(node: FakeContainerd, observer: Observer) -> None:
    """The blob of a broken pull may be removed before this pull reaches it: then it is not cached."""
    node.store(b"\x1f\x8b", digest=BASE, size=1000)
    pull = node.pull(NGINX).resolve()
    await observer.observe()
    del node.blobs[BASE]
    pull.download(0, 100)
    assert layers(await one(observer))[0].ingested_bytes == 100

    pull.commit(0)

    assert layers(await one(observer))[0].stored_at == node.blobs[BASE].created_at


async def test_a_lazy_snapshot_is_lazy(node: FakeContainerd, observer: Observer) -> None:
    """A snapshot that its snapshotter serves from the registry exists without the layer's bytes."""
    node.pull(NGINX).resolve().unpack(0)
    node.lazy_snapshots.add(NGINX.chain[0])

    first, *others = layers(await one(observer))

    assert (first.lazy, first.stored_at) == (True, None)
    assert not any(layer.lazy for layer in others)


async def test_a_snapshot_is_not_asked_for_while_its_layer_downloads(node: FakeContainerd, observer: Observer) -> None:
    """It cannot be there yet, so nothing is lost; it is found once the pull has moved on."""
    pull = node.pull(NGINX).resolve().download(0, 10)
    await one(observer)
    node.errors["Snapshots/Stat"] = grpc.StatusCode.UNKNOWN
    pull.download(0, 20)
    assert layers(await one(observer))[0].ingested_bytes == 20

    node.errors.clear()
    pull.commit(0).unpack(0)

    assert layers(await one(observer))[0].unpacked_at is not None


# -- two pulls ------------------------------------------------------------------------------------


async def test_two_pulls_are_distinct(node: FakeContainerd, observer: Observer) -> None:
    """Each lease has its own image and its own layers."""
    redis = image("docker.io/library/redis", ("r", 500))
    node.pull(NGINX, "a").resolve().download(0, 10)
    node.pull(redis, "b").resolve().download(0, 20)
    pulls = (await observer.observe()).pulls

    assert [(pull.repositories[0], layers(pull)[0].ingested_bytes) for pull in pulls] == [
        ("docker.io/library/nginx", 10),
        ("docker.io/library/redis", 20),
    ]


async def test_a_shared_layer_arrives_for_both(node: FakeContainerd, observer: Observer) -> None:
    """One download serves two pulls, and both show it."""
    other = image("docker.io/library/other", ("base", 1000), ("own", 10))
    node.pull(NGINX, "a").resolve().download(0, 700)
    node.pull(other, "b").resolve().download(0, 700)
    pulls = (await observer.observe()).pulls

    assert [layers(pull)[0].ingested_bytes for pull in pulls] == [700, 700]


async def test_a_shared_layer_is_here_for_both_at_once(node: FakeContainerd, observer: Observer) -> None:
    """containerd updates the lease of the other pull up to 2 s later; its bytes must not go back meanwhile."""
    other = image("docker.io/library/other", ("base", 1000), ("own", 10))
    first = node.pull(NGINX, "a").resolve().download(0, 700)
    node.pull(other, "b").resolve().download(0, 700)
    await observer.observe()
    first.commit(0)
    pulls = (await observer.observe()).pulls

    assert [layers(pull)[0].stored_at for pull in pulls] == [node.blobs[BASE].created_at] * 2
