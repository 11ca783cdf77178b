"""Which leases are pulls, and what they pull."""

from __future__ import annotations

import json

import pytest

from pulltrace.containerd.client import ContainerdClient
from pulltrace.containerd.observation import (
    MAX_POLLS_WITHOUT_CONFIG,
    LayerObservation,
    Observer,
    PullObservation,
)
from tests.containerd.polling import BASE, MIDDLE, NGINX, TOP, layers, one
from tests.fakes.containerd import SNAPSHOTTER, FakeContainerd, FakeImage, Lease, digest_of, image

pytestmark = pytest.mark.usefixtures("clock")


# -- leases ---------------------------------------------------------------------------------------


async def test_an_idle_node_costs_one_call(node: FakeContainerd, observer: Observer) -> None:
    """Only the first poll lists the images; after it, an idle poll lists the leases."""
    assert (await observer.observe()).images == ()
    node.calls.clear()

    assert (await observer.observe()).images is None
    assert node.calls == ["Leases/List"]


async def test_a_lease_that_holds_nothing_is_resolving(node: FakeContainerd, observer: Observer) -> None:
    """Before the first blob a pull is known by its lease alone."""
    node.pull(NGINX)

    assert await one(observer) == PullObservation("pull-1", node.leases["pull-1"].created_at, unpacks=False)


async def test_a_first_blob_under_way_is_content(node: FakeContainerd, observer: Observer) -> None:
    """An index that is being fetched proves that something is pulled."""
    node.pull(NGINX)
    node.hold("pull-1", "ingests", f"index-{NGINX.target_digest}")

    assert (await one(observer)).has_content


async def test_a_container_start_is_no_pull(node: FakeContainerd, observer: Observer) -> None:
    """Its lease has the container's id, also where it has an expiry."""
    node.leases["a" * 64] = Lease(1_000_000)

    assert (await observer.observe()).pulls == ()


async def test_a_lease_without_expiry_is_no_pull(node: FakeContainerd, observer: Observer) -> None:
    """A lease without expiry was not made by a pull."""
    node.leases["kept"] = Lease(1_000_000, labels={})

    assert (await observer.observe()).pulls == ()


async def test_a_lease_of_snapshots_alone_is_no_pull(node: FakeContainerd, observer: Observer) -> None:
    """A container's start in other clients holds a snapshot, and has fetched nothing."""
    node.leases["ctr-run"] = Lease(1_000_000, resources=[(f"snapshots/{SNAPSHOTTER}", "container-1")])

    assert (await observer.observe()).pulls == ()


async def test_a_lease_older_than_containerd_is_not_running(node: FakeContainerd, client: ContainerdClient) -> None:
    """Leases outlive a restart of containerd; the pulls that made them do not."""
    node.pull(NGINX, "old").resolve()
    started_at = node.now()
    node.pull(NGINX, "new").resolve()

    pulls = (await Observer(client, lambda: started_at).observe()).pulls

    assert [pull.lease_id for pull in pulls] == ["new"]


# -- manifest and config --------------------------------------------------------------------------


async def test_the_manifest_has_the_layers(node: FakeContainerd, observer: Observer) -> None:
    """With index, manifest and config here, everything is known but the bytes."""
    node.pull(NGINX).resolve()
    pull = await one(observer)

    assert (pull.index_digest, pull.manifest_digest) == (NGINX.target_digest, digest_of(NGINX.manifest))
    assert pull.repositories == ("docker.io/library/nginx",)
    assert pull.unpacks
    assert layers(pull) == [
        LayerObservation(BASE, 1000),
        LayerObservation(MIDDLE, 2000),
        LayerObservation(TOP, 3000),
    ]


async def test_an_image_without_an_index(node: FakeContainerd, observer: Observer) -> None:
    """A name may stand for a manifest directly."""
    plain = image("docker.io/library/plain", ("base", 1000), index=False)
    node.pull(plain).resolve()
    pull = await one(observer)

    assert (pull.index_digest, pull.manifest_digest) == (None, plain.target_digest)


async def test_blobs_are_read_once(node: FakeContainerd, observer: Observer) -> None:
    """Immutable blobs are not read again."""
    node.pull(NGINX).resolve()
    await observer.observe()
    node.calls.clear()
    await observer.observe()

    assert node.calls == ["Leases/List", "Content/ListStatuses", "Leases/ListResources", "Snapshots/Stat"]


async def test_a_config_that_is_late_is_waited_for(node: FakeContainerd, observer: Observer) -> None:
    """Before the config is present, cached layers cannot be distinguished from queued ones."""
    pull = node.pull(NGINX).resolve(config=False)
    assert (await one(observer)).layers is None

    pull.fetch(NGINX.config, "config")

    assert len(layers(await one(observer))) == 3


async def test_a_config_that_does_not_come_is_not_waited_for_for_ever(node: FakeContainerd, observer: Observer) -> None:
    """After some polls the layers are returned without their unpacking."""
    node.pull(NGINX).resolve(config=False)
    for _ in range(MAX_POLLS_WITHOUT_CONFIG):
        assert (await one(observer)).layers is None
    pull = await one(observer)

    assert (len(layers(pull)), pull.unpacks) == (3, False)


async def test_an_artefact_has_nothing_to_unpack(node: FakeContainerd, observer: Observer) -> None:
    """A config that is no image's means that layers are only downloaded."""
    manifest = json.dumps({"config": {"digest": digest_of(b"{}"), "size": 2}, "layers": [{"digest": BASE, "size": 9}]})
    chart = FakeImage("registry.test/chart", ((BASE, 9),), b"{}", manifest.encode(), None)
    node.pull(chart).resolve()
    pull = await one(observer)

    assert (len(layers(pull)), pull.unpacks) == (1, False)


async def test_a_manifest_without_config_has_nothing_to_unpack(node: FakeContainerd, observer: Observer) -> None:
    """An artefact may have no config at all."""
    manifest = json.dumps({"layers": [{"digest": BASE, "size": 9}]}).encode()
    node.pull(FakeImage("registry.test/x", ((BASE, 9),), b"{}", manifest, None)).resolve()
    pull = await one(observer)

    assert (len(layers(pull)), pull.unpacks) == (1, False)


async def test_a_digest_twice_is_one_layer(node: FakeContainerd, observer: Observer) -> None:
    """A layer that stands twice in a manifest is downloaded once, and done when both places are."""
    twice = image("docker.io/library/twice", ("base", 1000), ("same", 10), ("other", 20), ("same", 10))
    pull = node.pull(twice).resolve()
    for number in range(3):
        pull.commit(number)
    pull.unpack(0).unpack(1).unpack(2)
    assert [layer.unpacked_at is not None for layer in layers(await one(observer))] == [True, False, True]

    pull.unpack(3)

    assert all(layer.unpacked_at is not None for layer in layers(await one(observer)))


@pytest.mark.parametrize("labelled", [True, False], ids=["of both", "of the index only"])
async def test_repositories_are_what_the_labels_agree_on(
    node: FakeContainerd,
    observer: Observer,
    labelled: bool,  # noqa: FBT001
) -> None:
    """Blobs that were pulled from two places carry both; those of this pull agree on where it comes from."""
    node.store(NGINX.index or b"", repository="docker.io/library/nginx,library/copy")
    if labelled:
        node.store(NGINX.manifest, repository="docker.io/library/nginx,library/copy")
    pull = node.pull(NGINX)
    for data in (NGINX.index, NGINX.manifest, NGINX.config):
        node.hold("pull-1", "content", node.store(data or b""))
    if not labelled:
        pull.fetch(NGINX.manifest, "manifest")

    expected = ("docker.io/library/copy", "docker.io/library/nginx") if labelled else ("docker.io/library/nginx",)
    assert (await one(observer)).repositories == expected


async def test_a_label_that_comes_later_is_read_later(node: FakeContainerd, observer: Observer) -> None:
    """Until a blob has the label, the repository is unknown."""
    pull = node.pull(NGINX)
    node.hold("pull-1", "content", node.store(NGINX.manifest))
    assert (await one(observer)).repositories == ()

    pull.fetch(NGINX.manifest, "manifest")

    assert (await one(observer)).repositories == ("docker.io/library/nginx",)


async def test_a_name_has_no_credentials(node: FakeContainerd, observer: Observer) -> None:
    """containerd's own clients may call an image anything, and take it from anywhere."""
    node.pull(image("user:hunter2@registry.test/app", ("base", 1000))).complete(
        "https://user:hunter2@registry.test/app:1"
    )
    running = node.pull(image("user:hunter2@registry.test/other", ("other", 1000))).resolve()
    running.download(0, 10)
    observation = await observer.observe()

    assert [record.name for record in observation.images or ()] == ["https://***@registry.test/app:1"]
    assert "hunter2" not in repr(observation)
