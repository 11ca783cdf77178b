"""What one look at a node shows of its pulls, over a containerd that does as real ones do."""

from __future__ import annotations

import json

import grpc
import pytest

from pulltrace.containerd.client import ContainerdClient, ContainerdError
from pulltrace.containerd.observation import (
    CONFIG_PATIENCE,
    RECORDING_SECONDS,
    LayerObservation,
    Observer,
    PullObservation,
)
from tests.builders.virtual_time import FakeTime
from tests.fakes.containerd import SNAPSHOTTER, FakeContainerd, FakeImage, Lease, digest_of, image

NGINX = image("docker.io/library/nginx", ("base", 1000), ("middle", 2000), ("top", 3000))
BASE, MIDDLE, TOP = (digest for digest, _ in NGINX.layers)


@pytest.fixture(autouse=True)
def clock(node: FakeContainerd) -> FakeTime:
    """The times on the node are those of a test, not of today."""
    node.now = clock = FakeTime(1_000_000.0, step_seconds=1.0)
    return clock


@pytest.fixture
def observer(client: ContainerdClient) -> Observer:
    """Looks at a containerd that has been up for ever."""
    return Observer(client, lambda: 0.0)


async def one(observer: Observer) -> PullObservation:
    [pull] = (await observer.observe()).pulls
    return pull


def layers(pull: PullObservation) -> list[LayerObservation]:
    assert pull.layers is not None
    return list(pull.layers)


# -- what is a pull --------------------------------------------------------------------------------


async def test_an_idle_node_costs_one_call(node: FakeContainerd, observer: Observer) -> None:
    """The images are listed by the first look only; after it, an idle look asks for the leases."""
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
    """What somebody holds for good was not made by a pull."""
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


# -- what it pulls ---------------------------------------------------------------------------------


async def test_the_manifest_tells_the_layers(node: FakeContainerd, observer: Observer) -> None:
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
    """What cannot change is not asked for again."""
    node.pull(NGINX).resolve()
    await observer.observe()
    node.calls.clear()
    await observer.observe()

    assert node.calls == ["Leases/List", "Content/ListStatuses", "Leases/ListResources", "Snapshots/Stat"]


async def test_a_config_that_is_late_is_waited_for(node: FakeContainerd, observer: Observer) -> None:
    """Before the config is here, cached layers cannot be told from those to fetch."""
    pull = node.pull(NGINX).resolve(config=False)
    assert (await one(observer)).layers is None

    pull.fetch(NGINX.config, "config")

    assert len(layers(await one(observer))) == 3


async def test_a_config_that_does_not_come_is_not_waited_for_for_ever(node: FakeContainerd, observer: Observer) -> None:
    """After some looks the layers are shown without knowing how they unpack."""
    node.pull(NGINX).resolve(config=False)
    for _ in range(CONFIG_PATIENCE):
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
    """Until a blob says where it comes from, the repository is not known."""
    pull = node.pull(NGINX)
    node.hold("pull-1", "content", node.store(NGINX.manifest))
    assert (await one(observer)).repositories == ()

    pull.fetch(NGINX.manifest, "manifest")

    assert (await one(observer)).repositories == ("docker.io/library/nginx",)


# -- layers over time ------------------------------------------------------------------------------


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
    """Since when a blob is on the node tells whether this pull brought it."""
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


async def test_layers_that_are_on_the_node_are_told_at_once(node: FakeContainerd, observer: Observer) -> None:
    """The lease names a cached layer when containerd comes to it; the total must not wait for that."""
    node.store(b"\x1f\x8b", digest=TOP, size=3000)
    node.pull(NGINX).resolve()
    top = layers(await one(observer))[2]

    assert top.stored_at == node.blobs[TOP].created_at < node.leases["pull-1"].created_at


async def test_layers_whose_blobs_were_discarded_are_told_by_their_snapshots(
    node: FakeContainerd, observer: Observer
) -> None:
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
    """What a broken pull had left may be cleaned away before this one comes to it: then it is not cached."""
    node.store(b"\x1f\x8b", digest=BASE, size=1000)
    pull = node.pull(NGINX).resolve()
    await observer.observe()
    del node.blobs[BASE]
    pull.download(0, 100)
    assert layers(await one(observer))[0].ingested_bytes == 100

    pull.commit(0)

    assert layers(await one(observer))[0].stored_at == node.blobs[BASE].created_at


# -- two pulls -------------------------------------------------------------------------------------


async def test_two_pulls_are_told_apart(node: FakeContainerd, observer: Observer) -> None:
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
    """The pull that only waited is told by containerd up to 2 s later; its bytes must not go back meanwhile."""
    other = image("docker.io/library/other", ("base", 1000), ("own", 10))
    first = node.pull(NGINX, "a").resolve().download(0, 700)
    node.pull(other, "b").resolve().download(0, 700)
    await observer.observe()
    first.commit(0)
    pulls = (await observer.observe()).pulls

    assert [layers(pull)[0].stored_at for pull in pulls] == [node.blobs[BASE].created_at] * 2


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


# -- the end ---------------------------------------------------------------------------------------


async def test_images_are_listed_when_a_pull_has_ended(node: FakeContainerd, observer: Observer) -> None:
    """The look that misses a lease brings the image records, and only that one."""
    pull = node.pull(NGINX).resolve()
    await observer.observe()
    assert (await observer.observe()).images is None
    pull.complete("docker.io/library/nginx:1.29")
    [record] = (await observer.observe()).images or ()

    assert (record.name, record.digest, record.updated_at) == (
        "docker.io/library/nginx:1.29",
        NGINX.target_digest,
        node.images[record.name].updated_at,
    )
    assert (await observer.observe()).images is None


@pytest.fixture
def looking_back(node: FakeContainerd, client: ContainerdClient) -> Observer:
    """An observer whose clock is the node's."""
    return Observer(client, lambda: 0.0, node.now)


async def test_a_pull_between_two_looks_is_told_after_it(
    node: FakeContainerd, client: ContainerdClient, looking_back: Observer
) -> None:
    """Its image was recorded and fetched since the last look; it began with its first blob, as far as anybody knows."""
    await looking_back.observe()
    node.pull(NGINX).complete()
    client._image_recorded = True
    [missed] = (await looking_back.observe()).missed

    assert missed.started_at == node.blobs[NGINX.target_digest].created_at
    assert (missed.index_digest, missed.repositories) == (NGINX.target_digest, ("docker.io/library/nginx",))
    assert [layer.unpacked_at is not None for layer in layers(missed)] == [True] * 3
    assert (await looking_back.observe()).missed == ()


async def test_a_pull_that_was_seen_is_not_missed(
    node: FakeContainerd, client: ContainerdClient, looking_back: Observer
) -> None:
    """A pull with a lease that a look has seen ends as that pull."""
    await looking_back.observe()
    pull = node.pull(NGINX).resolve()
    await looking_back.observe()
    pull.complete()
    client._image_recorded = True

    assert (await looking_back.observe()).missed == ()


@pytest.mark.parametrize("repository", ["docker.io/library/nginx", None], ids=["fetched before", "imported"])
async def test_a_record_without_a_fetch_is_no_pull(
    node: FakeContainerd, client: ContainerdClient, looking_back: Observer, repository: str | None
) -> None:
    """A new name for what is here, or an image from an archive, came by no pull."""
    if repository:
        node.store(NGINX.manifest, repository=repository, digest=NGINX.target_digest)
    await looking_back.observe()
    node.store(NGINX.manifest, digest=NGINX.target_digest)
    node.pull(NGINX).record("docker.io/library/nginx:other")
    node.leases.clear()
    client._image_recorded = True

    assert (await looking_back.observe()).missed == ()


async def test_a_lease_that_ends_between_the_calls_has_ended(node: FakeContainerd, observer: Observer) -> None:
    """NOT_FOUND for a lease that was just listed is the end of its pull, not an error."""
    pull = node.pull(NGINX).resolve()
    await observer.observe()
    node.before["Leases/ListResources"] = pull.complete
    observation = await observer.observe()

    assert observation.pulls == ()
    assert [record.digest for record in observation.images or ()] == [NGINX.target_digest]


@pytest.mark.parametrize("call", ["Content/Info", "Content/Read"])
async def test_a_blob_that_vanishes_between_the_calls_is_no_end(
    node: FakeContainerd, observer: Observer, call: str
) -> None:
    """A pull runs for as long as its lease is there, whatever else cannot be found."""
    node.pull(NGINX).resolve()
    node.errors[call] = grpc.StatusCode.NOT_FOUND
    pull = await one(observer)
    assert (pull.has_content, pull.layers) == (True, None)

    node.errors.clear()

    assert len(layers(await one(observer))) == 3


@pytest.mark.parametrize("call", ["Leases/List", "Leases/ListResources", "Content/ListStatuses", "Snapshots/Stat"])
async def test_an_error_spoils_one_look_only(node: FakeContainerd, observer: Observer, call: str) -> None:
    """An ingest that vanished under containerd's own hands fails a call: nothing is concluded from that look."""
    node.pull(NGINX).resolve().download(0, 10).commit(0).download(1, 10)
    before = await one(observer)
    node.errors[call] = grpc.StatusCode.UNKNOWN
    with pytest.raises(ContainerdError):
        await observer.observe()
    node.errors.clear()

    assert await one(observer) == before


async def test_an_end_during_an_outage_is_seen_after_it(node: FakeContainerd, observer: Observer) -> None:
    """The images are listed as soon as somebody answers again."""
    pull = node.pull(NGINX).resolve()
    await observer.observe()
    pull.complete()
    node.errors["Images/List"] = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(ContainerdError):
        await observer.observe()
    node.errors.clear()

    assert len((await observer.observe()).images or ()) == 1


async def test_the_first_look_tells_what_was_missed_since(
    node: FakeContainerd, clock: FakeTime, client: ContainerdClient
) -> None:
    """Who knows since when nobody has looked is told of the pulls that began and ended since then, and of no others."""
    node.pull(image("docker.io/library/redis", ("a", 1)), "earlier").complete()
    observer = Observer(client, lambda: 0.0, looked_at=clock.now)
    node.pull(NGINX).complete()

    [missed] = (await observer.observe()).missed

    assert (missed.index_digest, missed.repositories) == (NGINX.target_digest, ("docker.io/library/nginx",))
    assert (await observer.observe()).missed == ()


async def test_an_image_without_its_id_is_not_recorded_yet(
    node: FakeContainerd, clock: FakeTime, client: ContainerdClient
) -> None:
    """While the CRI plugin is writing its records nobody says how the pull ended; with the image's ID it succeeded."""
    observer = Observer(client, lambda: 0.0, lambda: clock.now)
    pull = node.pull(NGINX).resolve()
    await observer.observe()
    pull.end()
    pull.record("docker.io/library/nginx:1", managed=True)

    assert (await observer.observe()).images is None
    pull.record("sha256:" + "1" * 64, managed=True)
    observation = await observer.observe()
    assert len(observation.images or ()) == 2
    assert observation.missed == ()
    assert (await observer.observe()).images is None


async def test_a_record_that_stays_without_an_id_is_none(
    node: FakeContainerd, clock: FakeTime, client: ContainerdClient
) -> None:
    """What the CRI plugin began to record and gave up is no sign of success."""
    observer = Observer(client, lambda: 0.0, lambda: clock.now)
    pull = node.pull(NGINX).resolve()
    await observer.observe()
    pull.end()
    pull.record("docker.io/library/nginx:1", managed=True)
    assert (await observer.observe()).images is None

    clock.now += RECORDING_SECONDS

    assert (await observer.observe()).images == ()
    assert (await observer.observe()).images is None


async def test_nothing_is_remembered_of_ended_pulls(node: FakeContainerd, observer: Observer) -> None:
    """An agent that runs for months holds what is running, no more."""
    for number in range(3):
        pull = node.pull(NGINX, f"pull-{number}").resolve()
        await observer.observe()
        pull.complete()
        await observer.observe()

    assert (observer._memories, observer._blobs._blobs) == ({}, {})


async def test_a_lazy_snapshot_is_said_to_be_lazy(node: FakeContainerd, observer: Observer) -> None:
    """A snapshot that its snapshotter serves from the registry is there without the layer's bytes."""
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
