"""Images of every shape that registries serve: reported with their sizes, layers and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pulltrace.pulls.model import Phase
from tests.cluster.containerd import Containerd
from tests.cluster.images import Compression, Format, Image, Layer, Publisher, file_layer, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry
from tests.real.conftest import MB
from tests.real.odd_images import ARTEFACT, Odd, push_odd
from tests.real.truth import Watch, pull_all

pytestmark = pytest.mark.real

KB = 1000
FORMATS: tuple[Format, ...] = ("oci", "docker")


@pytest.fixture
def publisher(registry: Registry) -> Publisher:
    return Publisher(registry.url)


async def pulled(containerd: Containerd, proxy: Proxy, images: Sequence[Image], rate: float = 2 * MB) -> Watch:
    """All of them at once; the outcome of each is that of its pull."""
    proxy.set_rate(rate)
    async with Watch(containerd, images) as watch:
        errors = await pull_all(containerd, [image.ref for image in images])
        await watch.wait_for_ends(len(images))
    for image, error in zip(images, errors, strict=True):
        pull = watch.end_of(image)
        assert pull.phase is (Phase.FAILED if error else Phase.COMPLETED), (pull, error)
        assert image.ref in pull.names or error
    return watch


def _compressions(containerd: Containerd, image_format: Format) -> tuple[Compression, ...]:
    """Version 1.6 knows no Docker layers in zstd."""
    return ("gzip", "none") if (containerd.version, image_format) == ("1.6", "docker") else ("gzip", "zstd", "none")


async def test_media_types(containerd: Containerd, proxy: Proxy, publisher: Publisher) -> None:
    """OCI and Docker, with and without an index, gzip, zstd and not compressed: all are reported alike."""
    images = [
        publisher.push(
            f"shape/{image_format}-{'index' if index else 'plain'}",
            [
                random_layer(200 * KB, seed=f"{image_format}{index}{kind}", compression=kind)
                for kind in _compressions(containerd, image_format)
            ],
            image_format=image_format,
            index=index,
        )
        for image_format in FORMATS
        for index in (False, True)
    ]
    watch = await pulled(containerd, proxy, images)

    assert {pull.phase for pull in watch.ended} == {Phase.COMPLETED}


async def test_an_index_of_many(containerd: Containerd, proxy: Proxy, publisher: Publisher) -> None:
    """Only the platform of this node is counted, without other platforms and attestations."""
    platforms = [{"architecture": name, "os": "linux"} for name in ("arm64", "s390x", "ppc64le")]
    image = push_odd(
        publisher,
        "shape/platforms",
        [random_layer(MB, seed="platforms")],
        Odd(platforms=platforms, attested=True),
    )
    watch = await pulled(containerd, proxy, [image])

    assert watch.end_of(image).total_bytes == image.size


async def test_strange_layers(containerd: Containerd, proxy: Proxy, publisher: Publisher) -> None:
    """Empty layers, the same layer twice, and layers of an unknown type."""
    empty, once = file_layer({}), random_layer(300 * KB, seed="once")
    plain_empty = Layer(b"\0" * 1024, "none", file_layer({}).diff_id)
    plain_empty = replace(plain_empty, diff_id=plain_empty.digest)
    two = [random_layer(300 * KB, seed=f"strange-{number}") for number in range(2)]
    images = [
        publisher.push("shape/empty", [empty, once, plain_empty]),
        publisher.push("shape/repeated", [once, empty, two[0], empty, once]),
        publisher.push("shape/nothing", [empty]),
        push_odd(publisher, "shape/unknown", two, Odd(layer_types={1: "application/vnd.example.layer.v1"})),
        push_odd(
            publisher,
            "shape/foreign",
            two,
            Odd(layer_types={1: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"}),
        ),
    ]
    await pulled(containerd, proxy, images, MB)


async def test_an_artefact(containerd: Containerd, proxy: Proxy, publisher: Publisher) -> None:
    """An artefact has bytes and an end like any pull; 1.6 records it and then refuses to unpack it: that has failed."""
    layers = [random_layer(300 * KB, seed=f"artefact-{number}") for number in range(2)]
    image = push_odd(publisher, "shape/artefact", layers, ARTEFACT)
    proxy.set_rate(2 * MB)
    async with Watch(containerd, [image]) as watch:
        [error] = await pull_all(containerd, [image.ref])
        await watch.wait_for_ends(1)

    pull = watch.end_of(image)
    assert image.ref in containerd.images()
    assert (error is None) == (containerd.version != "1.6")
    assert pull.phase is (Phase.FAILED if error else Phase.COMPLETED)
    assert image.ref in pull.names or error
    assert pull.total_bytes == image.size


async def test_a_manifest_of_four_mebibytes(containerd: Containerd, proxy: Proxy, publisher: Publisher) -> None:
    """The biggest manifest that a registry takes is read like any other."""
    layers = [random_layer(MB, seed="annotated")]
    annotations = {f"com.example.note-{number}": "x" * 1000 for number in range(3800)}
    image = push_odd(publisher, "shape/annotated", layers, Odd(annotations=annotations))
    watch = await pulled(containerd, proxy, [image], 4 * MB)

    assert watch.end_of(image).total_bytes == image.size


@pytest.mark.parametrize("count", [40, 120])
async def test_many_layers(containerd: Containerd, proxy: Proxy, publisher: Publisher, count: int) -> None:
    """A pull of many layers reports every one of them."""
    layers = [random_layer(1_600 * KB // count, seed=f"{count}-{number}") for number in range(count)]
    image = publisher.push(f"shape/layers-{count}", layers)
    watch = await pulled(containerd, proxy, [image])

    pull = watch.end_of(image)
    assert (pull.phase, pull.layers_done, len(pull.layers)) == (Phase.COMPLETED, count, count)


async def test_references(containerd: Containerd, proxy: Proxy, publisher: Publisher) -> None:
    """A pull by digest, or by tag and digest, has the repository of the reference and the names that are recorded."""
    images = [publisher.push(f"shape/by-{way}", [random_layer(MB, seed=way)], index=True) for way in ("digest", "both")]
    refs = [images[0].digest_ref, f"{images[1].ref}@{images[1].target_digest}"]
    proxy.set_rate(2 * MB)
    async with Watch(containerd, images) as watch:
        assert await pull_all(containerd, refs) == [None, None]
        await watch.wait_for_ends(2)

    assert {name for pull in watch.ended for name in pull.names} <= containerd.images()
    assert [watch.end_of(image).names for image in images] == [(image.digest_ref,) for image in images]


async def test_hosts(containerd: Containerd, proxy: Proxy, registry: Registry) -> None:
    """With a mirror, a port, or Docker Hub's short names, the name is that of the reference, not of the server asked."""
    mirror = containerd.folder / "registries" / "mirrored.test" / "hosts.toml"
    mirror.parent.mkdir()
    mirror.write_text(
        f'server = "http://127.0.0.1:1"\n\n[host."{proxy.url}"]\n  capabilities = ["pull", "resolve"]\n',
        encoding="utf-8",
    )
    containerd.use_registry("registry.test:5000", proxy.url)
    containerd.use_registry("docker.io", proxy.url)
    names = [("mirrored.test", "shape/mirrored"), ("registry.test:5000", "shape/port"), ("docker.io", "library/hub")]
    images = [
        Publisher(registry.url, host).push(repository, [random_layer(MB, seed=repository)])
        for host, repository in names
    ]
    watch = await pulled(containerd, proxy, images)

    reported = [watch.end_of(image).repositories for image in images]
    assert reported == [("mirrored.test/shape/mirrored",), ("registry.test/shape/port",), ("docker.io/library/hub",)]
