"""Rollouts between the steps of the scenario: they start when few pulls run.

They keep the number of running pulls in a range that fills a page and stays readable. The same seed and situations give the
same rollouts.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pulltrace.demo.images import Image, image
from pulltrace.demo.naming import pod_name
from pulltrace.demo.pods import Container, Pod
from pulltrace.demo.scenario import orders
from pulltrace.pulls.view import Workload

WANTED_PULLS = 8
WANTED_BIG_PULLS = 4
REPLICAS = 3

_SMALL = (
    "checkout",
    "search",
    "redis",
    "catalog",
    "orders",
    "postgres",
    "search",
    "nginx",
    "checkout",
    "catalog",
    "web",
)
_BIG = ("trainer", "vllm", "embedder", "triton")
_NAMESPACES = {
    "redis": "cache",
    "nginx": "edge",
    "postgres": "data",
    "fluent-bit": "monitoring",
    "trainer": "ml",
    "vllm": "inference",
    "embedder": "inference",
    "triton": "inference",
}


@dataclass(frozen=True, slots=True)
class Situation:
    """The input of a decision."""

    running_pulls: int
    idle_workers: Sequence[str]
    idle_accelerated: Sequence[str]
    big_pulls: int
    """Running pulls on the nodes with accelerators."""


class Rollouts:
    """The next rollouts and their nodes."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._small = self._big = 0

    def next_pods(self, situation: Situation) -> Iterator[Pod]:
        """Yield the pods of the next rollout, if it starts now."""
        if situation.big_pulls < WANTED_BIG_PULLS and situation.idle_accelerated:
            self._big += 1
            node = self._random.choice(situation.idle_accelerated)
            yield _pod(_BIG[self._big % len(_BIG)], self._big, node)
        elif situation.running_pulls < WANTED_PULLS and situation.idle_workers:
            self._small += 1
            replicas = self._random.randint(1, REPLICAS)
            for node in self._random.sample(situation.idle_workers, min(replicas, len(situation.idle_workers))):
                yield _pod(_SMALL[self._small % len(_SMALL)], self._small, node)


def _pod(name: str, number: int, node: str) -> Pod:
    if name == "orders":
        return orders(1000 + number, node)
    release = _release(name, number)
    return Pod(
        _NAMESPACES.get(name, "shop"),
        pod_name(name, release.name, f"{node} {number}"),
        node,
        Workload(_NAMESPACES.get(name, "shop"), "Deployment", name),
        (Container(name, release),),
    )


def _release(name: str, number: int) -> Image:
    match name:
        case "redis":
            return image(name, f"7.4.{number % 30}-bookworm")
        case "nginx":
            return image(name, f"1.27.{number % 30}")
        case "postgres":
            return image(name, f"16.{number % 30}")
        case "fluent-bit":
            return image(name, f"3.1.{10 + number % 30}")
        case "vllm":
            return image(name, f"v0.8.{number % 30}")
        case "triton":
            return image(name, f"25.{number % 12 + 1:02}-py3")
        case _:
            return image(name, f"v{number // 50 + 2}.{number % 50}.{number % 4}")
