"""An image, a clock and the values of one poll, for the tests of the observer."""

from __future__ import annotations

from pulltrace.containerd.observation import LayerObservation, Observer, PullObservation
from tests.fakes.containerd import image

NGINX = image("docker.io/library/nginx", ("base", 1000), ("middle", 2000), ("top", 3000))
BASE, MIDDLE, TOP = (digest for digest, _ in NGINX.layers)


class Clock:
    """The node's clock: each read takes a second."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        self.at += 1
        return self.at


async def one(observer: Observer) -> PullObservation:
    [pull] = (await observer.observe()).pulls
    return pull


def layers(pull: PullObservation) -> list[LayerObservation]:
    assert pull.layers is not None
    return list(pull.layers)
