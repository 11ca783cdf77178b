"""Which fault happens when, decided by a seed before the run. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

KINDS = (
    "agent killed",
    "agent's pod deleted",
    "leader killed",
    "leader's pod deleted",
    "containerd killed",
    "kubelet killed",
    "API server restarted",
    "etcd killed",
    "network of a node cut",
    "registry answers 503",
    "registry hangs",
)
FIRST_SECONDS = 10.0
CALM_SECONDS = 25.0
"""No fault in the last seconds, so that the last one heals while pods still start."""
MOST_PAUSE_SECONDS = 40.0


@dataclass(frozen=True)
class Planned:
    """A planned fault."""

    at_seconds: float
    """Since the start of the run."""
    kind: str
    node: int
    """The index of its node, if it has one."""


def plan(seed: int, seconds: float, nodes: int) -> tuple[Planned, ...]:
    """Return rounds of all kinds, each in another order; a short run has one round with shorter pauses."""
    chance = random.Random(seed)
    room = seconds - FIRST_SECONDS - CALM_SECONDS
    pause = min(MOST_PAUSE_SECONDS, room / len(KINDS))
    found: list[Planned] = []
    kinds: list[str] = []
    while (at := FIRST_SECONDS + pause * len(found)) <= seconds - CALM_SECONDS - pause / 2:
        if not kinds:
            kinds = chance.sample(KINDS, len(KINDS))
        found.append(Planned(at, kinds.pop(), chance.randrange(nodes)))
    return tuple(found)
