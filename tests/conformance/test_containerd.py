"""The behaviour of containerd that Pulltrace relies on, asserted on the fake one and on real ones, 1.6 and 2.1.

Behaviour that only a fake shows on demand (errors, things that end between two calls) is in tests/containerd/.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from pulltrace.containerd.client import ContainerdClient, NotFound, connect
from pulltrace.containerd.lease_filter import is_pull, unix_seconds
from pulltrace.containerd.manifests import Config, Index, Manifest, chain_ids, parse_blob
from pulltrace.containerd.proto import containerd_pb2 as pb
from tests.cluster.containerd import Containerd, Options, Version
from tests.cluster.cri import PullFailed, pull_via_cri
from tests.cluster.faults import Fault
from tests.cluster.images import Image, Publisher, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry
from tests.fakes import containerd as fakes

MB = 1_000_000
SIZES = (4 * MB, MB)
REPOSITORY = "registry.test/team/app"
NAME = f"{REPOSITORY}:1.0"
STALL_BYTES = 2_500_000


@dataclass
class Node:
    """A node that can pull one image, and stop in the middle of its first layer."""

    client: ContainerdClient
    target_digest: str
    layers: tuple[tuple[str, int], ...]
    start: Callable[[], Awaitable[None]]
    """Begins to pull."""
    finish: Callable[[], Awaitable[None]]
    """Lets the pull run to its good end."""
    fail: Callable[[], Awaitable[None]]
    """Lets the pull end badly."""
    began: float = field(default_factory=time.time)

    async def leases(self) -> list[pb.Lease]:
        return [lease for lease in await self.client.leases() if is_pull(lease)]

    async def pulling(self) -> pb.Lease:
        """Begins to pull and gives the pull's lease as soon as bytes of its first layer are here."""
        await self.start()

        async def moving() -> bool:
            # The second layer is small: it is here before the stalled one moves on.
            ingests = {ingest.ref: ingest.offset for ingest in await self.client.ingests()}
            return ingests.get(f"layer-{self.layers[0][0]}", 0) > 0

        await fakes.until(moving)
        [lease] = await self.leases()
        return lease

    async def held(self, lease: pb.Lease, kind: str) -> set[str]:
        return {one.id for one in await self.client.lease_resources(lease.id) if one.type == kind}

    async def idle(self) -> None:
        async def none() -> bool:
            return not await self.leases()

        await fakes.until(none)


@asynccontextmanager
async def fake_node() -> AsyncIterator[Node]:
    image = fakes.image(REPOSITORY, *((f"layer {number}", size) for number, size in enumerate(SIZES)))
    async with fakes.running() as fake, connect(str(fake.socket), fakes.NAMESPACE) as client:
        pulls: list[fakes.FakePull] = []

        async def start() -> None:
            pulls.append(fake.pull(image, f"pull-{len(pulls)}").resolve().download(0, 2**21))

        async def finish() -> None:
            pulls[-1].complete(NAME, f"{REPOSITORY}@{image.target_digest}")

        async def fail() -> None:
            pulls[-1].end()

        yield Node(client, image.target_digest, image.layers, start, finish, fail)


@asynccontextmanager
async def real_node(version: Version, registry: Registry) -> AsyncIterator[Node]:
    image = pushed(registry)
    with Proxy(registry.url) as proxy, Containerd(version, options=_options(proxy)) as containerd:
        async with connect(str(containerd.socket), fakes.NAMESPACE) as client:
            pulls: list[asyncio.Task[str]] = []

            async def start() -> None:
                proxy.add(Fault(f"/blobs/{image.layers[0].digest}", stall_after_bytes=STALL_BYTES))
                pulls.append(asyncio.create_task(pull_via_cri(containerd.socket, image.ref)))

            async def finish() -> None:
                proxy.clear()
                await pulls[-1]

            async def fail() -> None:
                proxy.clear()
                proxy.add(Fault("/blobs/", cut_after_bytes=0))
                pulls[-1].cancel()  # as a kubelet does whose pull takes too long
                with pytest.raises((asyncio.CancelledError, PullFailed)):
                    await pulls[-1]

            layers = tuple((layer.digest, layer.size) for layer in image.layers)
            yield Node(client, image.target_digest, layers, start, finish, fail)
            for pull in pulls:
                pull.cancel()


def pushed(registry: Registry) -> Image:
    layers = [random_layer(size, seed=f"conformance-{size}") for size in SIZES]
    return Publisher(registry.url).push("team/app", layers, tags=("1.0",), index=True)


def _options(proxy: Proxy) -> Options:
    return Options(registries={"registry.test": proxy.url})


@pytest.fixture(
    params=[
        "fake",
        pytest.param("1.6", marks=pytest.mark.real("containerd", "runc", "docker-registry")),
        pytest.param("2.1", marks=pytest.mark.real("runc", "docker-registry")),
    ]
)
async def node(request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    """Run a fake containerd, then each real one, with nothing on it."""
    if request.param == "fake":
        async with fake_node() as node:
            yield node
    else:
        with Registry() as registry:
            async with real_node(request.param, registry) as node:
                yield node


async def blob(node: Node, digest: str) -> object:
    return parse_blob(await node.client.read_content(digest, 0))


async def records(node: Node) -> list[pb.Image]:
    return [record for record in await node.client.images() if record.target.digest == node.target_digest]


async def test_an_idle_containerd_has_no_pulls(node: Node) -> None:
    """Without a pull no lease resembles one, and no ingest and no image exists."""
    assert (await node.leases(), list(await node.client.ingests()), list(await node.client.images())) == ([], [], [])


async def test_a_pull_is_one_lease(node: Node) -> None:
    """It has an expiry, and the time at which the pull began."""
    lease = await node.pulling()

    assert "containerd.io/gc.expire" in lease.labels
    assert node.began - 1 <= unix_seconds(lease.created_at) <= time.time()


async def test_the_lease_names_what_the_pull_has_fetched(node: Node) -> None:
    """Index and manifest as content, the layer that is on its way as an ingest."""
    lease = await node.pulling()

    assert node.target_digest in await node.held(lease, "content")
    assert f"layer-{node.layers[0][0]}" in await node.held(lease, "ingests")


async def test_the_manifest_can_be_read_while_it_pulls(node: Node) -> None:
    """From the index to the manifest to the layers and to the config."""
    await node.pulling()
    index = await blob(node, node.target_digest)
    assert isinstance(index, Index)
    manifest = await blob(node, index.manifest_digests[0])
    assert isinstance(manifest, Manifest)
    assert [(layer.digest, layer.size_bytes) for layer in manifest.layers] == list(node.layers)

    config = await blob(node, manifest.config_digest or "")

    assert isinstance(config, Config)
    assert len(config.diff_ids) == len(node.layers)


async def test_a_blob_can_be_read_in_part(node: Node) -> None:
    """The first byte is enough to recognise JSON."""
    await node.pulling()

    assert await node.client.read_content(node.target_digest, 1) == b"{"


async def test_blobs_have_the_label_of_their_source(node: Node) -> None:
    """The label has the host of the reference, not that of the mirror, and the repository."""
    await node.pulling()
    labels = (await node.client.content_info(node.target_digest)).labels

    assert labels["containerd.io/distribution.source.registry.test"] == "team/app"


async def test_a_download_has_an_offset(node: Node) -> None:
    """The offset, the total and the start of a download."""
    lease = await node.pulling()
    ingests = {ingest.ref: ingest for ingest in await node.client.ingests()}
    ingest = ingests[f"layer-{node.layers[0][0]}"]

    assert 0 < ingest.offset < ingest.total == node.layers[0][1]
    assert unix_seconds(lease.created_at) <= unix_seconds(ingest.started_at) <= time.time()


async def test_what_is_not_complete_is_not_content(node: Node) -> None:
    """A layer that is on its way is not found as a blob."""
    await node.pulling()

    with pytest.raises(NotFound):
        await node.client.content_info(node.layers[0][0])


async def test_the_image_is_recorded_at_the_end(node: Node) -> None:
    """Under its name, pointing at what the reference resolved to, after the lease was made."""
    lease = await node.pulling()
    assert list(await node.client.images()) == []
    await node.finish()
    written = await records(node)

    assert {NAME, f"{REPOSITORY}@{node.target_digest}"} <= {record.name for record in written}
    assert all(
        unix_seconds(record.updated_at) >= unix_seconds(lease.created_at) for record in written if record.name == NAME
    )


async def test_the_layers_are_snapshots_at_the_end(node: Node) -> None:
    """Each under its chain ID, made after the pull began, and its blob too."""
    lease = await node.pulling()
    index = await blob(node, node.target_digest)
    assert isinstance(index, Index)
    manifest = await blob(node, index.manifest_digests[0])
    assert isinstance(manifest, Manifest)
    config = await blob(node, manifest.config_digest or "")
    assert isinstance(config, Config)
    await node.finish()
    for chain_id, (digest, size) in zip(chain_ids(config.diff_ids), node.layers, strict=True):
        snapshot = await node.client.snapshot("overlayfs", chain_id)
        info = await node.client.content_info(digest)
        assert info.size == size
        assert unix_seconds(lease.created_at) <= unix_seconds(info.created_at) <= unix_seconds(snapshot.created_at)


async def test_an_absent_snapshot_is_not_found(node: Node) -> None:
    """Before a layer is unpacked, its chain ID is unknown."""
    with pytest.raises(NotFound):
        await node.client.snapshot("overlayfs", "sha256:" + "0" * 64)


async def test_the_lease_is_gone_at_the_end(node: Node) -> None:
    """After a good end the lease is neither listed nor found."""
    lease = await node.pulling()
    await node.finish()
    await node.idle()

    with pytest.raises(NotFound):
        await node.client.lease_resources(lease.id)


async def test_a_pull_that_fails_leaves_no_image(node: Node) -> None:
    """After a bad end the lease is gone as well, and there is no record."""
    await node.pulling()
    await node.fail()
    await node.idle()

    assert list(await node.client.images()) == []


async def test_pulling_again_writes_the_record_again(node: Node) -> None:
    """Also a pull that finds everything on the node proves its success by a new time on the record."""
    await node.pulling()
    await node.finish()
    between = time.time()
    await node.start()
    await node.finish()
    times = {record.name: unix_seconds(record.updated_at) for record in await records(node)}

    assert times[NAME] >= between
