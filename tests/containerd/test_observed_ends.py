"""The end of a pull: image records, pulls between two polls, and errors meanwhile."""

from __future__ import annotations

import grpc
import pytest

from pulltrace.containerd.client import ContainerdClient, ContainerdError
from pulltrace.containerd.observation import (
    RECORDING_SECONDS,
    Observer,
)
from tests.builders.virtual_time import FakeTime
from tests.containerd.polling import NGINX, layers, one
from tests.fakes.containerd import FakeContainerd, image

pytestmark = pytest.mark.usefixtures("clock")


async def test_images_are_listed_when_a_pull_has_ended(node: FakeContainerd, observer: Observer) -> None:
    """Only the poll after the end of a lease has the image records."""
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
    """A pull runs as long as its lease exists, whatever else is missing."""
    node.pull(NGINX).resolve()
    node.errors[call] = grpc.StatusCode.NOT_FOUND
    pull = await one(observer)
    assert (pull.has_content, pull.layers) == (True, None)

    node.errors.clear()

    assert len(layers(await one(observer))) == 3


@pytest.mark.parametrize("call", ["Leases/List", "Leases/ListResources", "Content/ListStatuses", "Snapshots/Stat"])
async def test_an_error_fails_one_poll_only(node: FakeContainerd, observer: Observer, call: str) -> None:
    """An ingest that vanishes inside containerd fails a call: nothing is concluded from that poll."""
    node.pull(NGINX).resolve().download(0, 10).commit(0).download(1, 10)
    before = await one(observer)
    node.errors[call] = grpc.StatusCode.UNKNOWN
    with pytest.raises(ContainerdError):
        await observer.observe()
    node.errors.clear()

    assert await one(observer) == before


async def test_an_end_during_an_outage_is_seen_after_it(node: FakeContainerd, observer: Observer) -> None:
    """The images are listed as soon as containerd answers again."""
    pull = node.pull(NGINX).resolve()
    await observer.observe()
    pull.complete()
    node.errors["Images/List"] = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(ContainerdError):
        await observer.observe()
    node.errors.clear()

    assert len((await observer.observe()).images or ()) == 1


async def test_an_image_without_its_id_is_not_recorded_yet(
    node: FakeContainerd, clock: FakeTime, client: ContainerdClient
) -> None:
    """While the CRI plugin writes its records the outcome is open; with the image's ID the pull succeeded."""
    observer = Observer(client, lambda: 0.0, lambda: clock.now)
    pull = node.pull(NGINX).resolve()
    await observer.observe()
    pull.end()
    pull.record("docker.io/library/nginx:1", managed=True)

    assert (await observer.observe()).images is None
    pull.record("sha256:" + "1" * 64, managed=True)
    observation = await observer.observe()
    assert len(observation.images or ()) == 2
    assert observation.unseen == ()
    assert (await observer.observe()).images is None


async def test_a_record_that_stays_without_an_id_is_none(
    node: FakeContainerd, clock: FakeTime, client: ContainerdClient
) -> None:
    """An incomplete record that stays is no proof of success."""
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

    assert (observer._pulls, observer._blobs._blobs) == ({}, {})


# -- pulls between two polls ----------------------------------------------------------------------


async def test_a_pull_between_two_polls_is_returned_by_the_second(
    node: FakeContainerd, client: ContainerdClient, observer_on_node_clock: Observer
) -> None:
    """Its image was fetched and recorded since the last poll; its start is that of its first blob."""
    await observer_on_node_clock.observe()
    node.pull(NGINX).complete()
    client._image_recorded = True
    [unseen] = (await observer_on_node_clock.observe()).unseen

    assert unseen.started_at == node.blobs[NGINX.target_digest].created_at
    assert (unseen.index_digest, unseen.repositories) == (NGINX.target_digest, ("docker.io/library/nginx",))
    assert [layer.unpacked_at is not None for layer in layers(unseen)] == [True] * 3
    assert (await observer_on_node_clock.observe()).unseen == ()


async def test_a_polled_pull_is_not_unseen(
    node: FakeContainerd, client: ContainerdClient, observer_on_node_clock: Observer
) -> None:
    """A pull whose lease a poll has found ends as that pull."""
    await observer_on_node_clock.observe()
    pull = node.pull(NGINX).resolve()
    await observer_on_node_clock.observe()
    pull.complete()
    client._image_recorded = True

    assert (await observer_on_node_clock.observe()).unseen == ()


@pytest.mark.parametrize("repository", ["docker.io/library/nginx", None], ids=["fetched before", "imported"])
async def test_a_record_without_a_fetch_is_no_pull(
    node: FakeContainerd, client: ContainerdClient, observer_on_node_clock: Observer, repository: str | None
) -> None:
    """A new name for what is here, or an image from an archive, came by no pull."""
    if repository:
        node.store(NGINX.manifest, repository=repository, digest=NGINX.target_digest)
    await observer_on_node_clock.observe()
    node.store(NGINX.manifest, digest=NGINX.target_digest)
    node.pull(NGINX).record("docker.io/library/nginx:other")
    node.leases.clear()
    client._image_recorded = True

    assert (await observer_on_node_clock.observe()).unseen == ()


async def test_the_first_poll_returns_pulls_since_a_time(
    node: FakeContainerd, clock: FakeTime, client: ContainerdClient
) -> None:
    """Only pulls that began and ended after that time are returned."""
    node.pull(image("docker.io/library/redis", ("a", 1)), "earlier").complete()
    observer = Observer(client, lambda: 0.0, since=clock.now)
    node.pull(NGINX).complete()

    [unseen] = (await observer.observe()).unseen

    assert (unseen.index_digest, unseen.repositories) == (NGINX.target_digest, ("docker.io/library/nginx",))
    assert (await observer.observe()).unseen == ()
