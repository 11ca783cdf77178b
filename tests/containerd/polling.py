"""An image and the values of one poll, for the tests of the observer."""

from __future__ import annotations

from pulltrace.containerd.observation import LayerObservation, Observer, PullObservation
from tests.fakes.containerd import image

NGINX = image("docker.io/library/nginx", ("base", 1000), ("middle", 2000), ("top", 3000))
BASE, MIDDLE, TOP = (digest for digest, _ in NGINX.layers)


async def one(observer: Observer) -> PullObservation:
    [pull] = (await observer.observe()).pulls
    return pull


def layers(pull: PullObservation) -> list[LayerObservation]:
    assert pull.layers is not None
    return list(pull.layers)
