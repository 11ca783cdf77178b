"""Records the situations again, on real containerd: `python -m tests.recorded.record` (as root, about a minute)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from tests.cluster.containerd import VERSIONS, Containerd, Options, Version
from tests.cluster.faults import Fault
from tests.cluster.images import Image, Publisher, random_layer
from tests.cluster.proxy import Proxy
from tests.cluster.registry import Registry
from tests.real.conftest import HOST, MB
from tests.real.odd_images import ARTEFACT, push_odd
from tests.real.truth import Watch, cri_pull, pull_all
from tests.recorded.recording import FOLDER, Recording, save

KB = 1000


class Stage:
    """A containerd, the link to its registry, and who watches it."""

    def __init__(self, registry: Registry, proxy: Proxy, containerd: Containerd) -> None:
        self.publisher = Publisher(registry.url)
        self.proxy = proxy
        self.containerd = containerd
        self.watch = Watch(containerd)

    def push(self, name: str, *sizes: int, shared: int = 0) -> Image:
        """Push an image of layers of these sizes; the first ones may be those of other images."""
        layers = [
            random_layer(size, seed=f"shared-{n}" if n < shared else f"{name}-{n}") for n, size in enumerate(sizes)
        ]
        image = self.publisher.push(f"recorded/{name}", layers, index=True)
        self.watch.images[image.target_digest] = image
        return image


async def shared_layers(stage: Stage) -> None:
    """Two pulls that share a layer; the second begins when the first moves."""
    first, second = stage.push("first", 2 * MB, MB, shared=1), stage.push("second", 2 * MB, MB, shared=1)
    stage.proxy.set_rate(2 * MB)
    async with stage.watch as watch, cri_pull(stage.containerd, first.ref) as pull:
        await watch.wait_for_bytes()
        await asyncio.gather(pull, pull_all(stage.containerd, [second.ref]))
        await watch.wait_for_ends(2)


async def many_layers(stage: Stage) -> None:
    """Twelve layers that arrive at nearly the same time and are committed one after the other."""
    image = stage.push("many", *[100 * KB] * 12)
    stage.proxy.set_rate(MB)
    async with stage.watch as watch:
        await pull_all(stage.containerd, [image.ref])
        await watch.wait_for_ends(1)


async def cancelled_then_cached(stage: Stage) -> None:
    """Cancel a pull, run the same again to its end, and pull an image on top of it."""
    image, top = stage.push("base", 2 * MB, shared=1), stage.push("top", 2 * MB, 600 * KB, shared=1)
    stage.proxy.set_rate(2 * MB)
    async with stage.watch as watch:
        async with cri_pull(stage.containerd, image.ref):
            await watch.wait_for_bytes()
        await watch.wait_for_ends(1)
        for count, ref in enumerate((image.ref, top.ref), start=2):
            await pull_all(stage.containerd, [ref])
            await watch.wait_for_ends(count)


async def not_found(stage: Stage) -> None:
    """Pull from a registry that waits and then answers 404, beside a pull that succeeds."""
    image = stage.push("found", MB)
    stage.proxy.add(Fault("/manifests/missing", status=404, hang_seconds=1))
    stage.proxy.set_rate(MB)
    async with stage.watch as watch:
        await pull_all(stage.containerd, [image.ref, f"{HOST}/recorded/found:missing"])
        await watch.wait_for_ends(2)


async def killed(stage: Stage) -> None:
    """Kill containerd in the middle of a pull, and repeat the pull."""
    image = stage.push("killed", 2 * MB, 2 * MB)
    stage.proxy.set_rate(2 * MB)
    async with stage.watch as watch:
        async with cri_pull(stage.containerd, image.ref):
            await watch.wait_for_bytes()
            stage.containerd.kill()
        stage.containerd.start()
        await watch.wait_for_ends(1)
        await pull_all(stage.containerd, [image.ref])
        await watch.wait_for_ends(2)


async def unpacking_fails(stage: Stage) -> None:
    """Pull a layer that arrives whole and does not unpack to the config's digest."""
    layers = [random_layer(600 * KB, seed=f"unpack-{number}") for number in range(2)]
    layers[1] = replace(layers[1], diff_id=layers[0].digest)
    image = stage.publisher.push("recorded/unpack", layers, index=True)
    stage.watch.images[image.target_digest] = image
    stage.proxy.set_rate(MB)
    async with stage.watch as watch:
        await pull_all(stage.containerd, [image.ref])
        await watch.wait_for_ends(1)


async def artefact(stage: Stage) -> None:
    """Pull an artefact: 1.6 records it before it refuses to unpack it."""
    layers = [random_layer(600 * KB, seed=f"artefact-{number}") for number in range(2)]
    image = push_odd(stage.publisher, "recorded/artefact", layers, ARTEFACT)
    stage.watch.images[image.target_digest] = image
    stage.proxy.set_rate(MB)
    async with stage.watch as watch:
        await pull_all(stage.containerd, [image.ref])
        await watch.wait_for_ends(1)


Situation = Callable[[Stage], Coroutine[Any, Any, None]]
SITUATIONS: tuple[Situation, ...] = (
    shared_layers,
    many_layers,
    cancelled_then_cached,
    not_found,
    killed,
    unpacking_fails,
    artefact,
)


def record(situation: Situation, version: Version) -> Recording:
    with ExitStack() as stack:
        registry = stack.enter_context(Registry())
        proxy = stack.enter_context(Proxy(registry.url))
        containerd = stack.enter_context(Containerd(version, options=Options(registries={HOST: proxy.url})))
        stage = Stage(registry, proxy, containerd)
        asyncio.run(situation(stage))
    watch = stage.watch
    refs = {digest: image.ref for digest, image in watch.images.items()}
    outcomes = [[refs.get(pull.target_digest or "", "?"), str(pull.phase)] for pull in watch.ended]
    return Recording(tuple(watch.images.values()), outcomes, tuple(watch.polls))


def main() -> None:
    for version in VERSIONS:
        for situation in SITUATIONS:
            name = getattr(situation, "__name__", "")
            if not sys.argv[1:] or name in sys.argv[1:]:
                save(FOLDER / f"{name}-{version}.jsonl", record(situation, version))
                print(f"recorded: {name}-{version}")


if __name__ == "__main__":
    main()
