"""What the demo shows on purpose: one act for each thing that Pulltrace can tell, again and again.

A round is a list of things that happen at given times. Rounds follow each other without end, on other nodes and
with the next releases, so that what is on the nodes already matters as it does in life.
"""

from __future__ import annotations

from dataclasses import dataclass

from pulltrace.demo.images import Image, image
from pulltrace.demo.kubelet import Container, Pod
from pulltrace.demo.naming import pod_name, replica_set
from pulltrace.demo.node import Failure, Fault, Machine, Stall
from pulltrace.kube.pods import Role

ROUND_SECONDS = 200.0
PREPARATION_SECONDS = 30.0
"""The first acts of a round begin so long before its time zero: at zero there is something to see."""
SILENCE_SECONDS = 95.0

MACHINES = (
    Machine("gpu-h100-01", 196, 310),
    Machine("gpu-a100-01", 92, 230),
    Machine("gpu-a100-02", 74, 210),
    Machine("gpu-a100-03", 112, 240),
    Machine("gpu-a100-04", 81, 220),
    Machine("gpu-l4-01", 64, 180, parallel_pulls=3),
    Machine("worker-01", 38, 110),
    Machine("worker-02", 46, 120),
    Machine("worker-03", 31, 95),
    Machine("worker-04", 52, 130),
    Machine("worker-05", 41, 110),
    Machine("edge-01", 20, 60),
)
ACCELERATED = tuple(machine.name for machine in MACHINES if machine.name.startswith("gpu-"))
WORKERS = tuple(machine.name for machine in MACHINES if machine.name not in ACCELERATED)
BIG = tuple(name for name in ACCELERATED if "-a100-" in name)


@dataclass(frozen=True, slots=True)
class Deploy:
    """A pod is scheduled to its node."""

    pod: Pod


@dataclass(frozen=True, slots=True)
class Withdraw:
    """A pod is deleted."""

    pod: Pod


@dataclass(frozen=True, slots=True)
class PrePull:
    """Somebody pulls an image by hand: no pod waits for it."""

    node: str
    image: Image


@dataclass(frozen=True, slots=True)
class Clean:
    """All images that no pod needs are removed from a node."""

    node: str


@dataclass(frozen=True, slots=True)
class Silence:
    """The agent of a node is not there for a while; the node goes on."""

    node: str
    seconds: float


Happening = Deploy | Withdraw | PrePull | Clean | Silence


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens at a time, in seconds from time zero of its round."""

    at: float
    what: Happening


def acts(number: int) -> tuple[Act, ...]:
    """The acts of a round, by time."""
    training, second, stalling, silent = (BIG[(number + turn) % len(BIG)] for turn in range(4))
    busy_worker, failing = WORKERS[number % len(WORKERS)], WORKERS[(number + 2) % len(WORKERS)]
    pytorch = image("pytorch", "2.4.0-cuda12.4-cudnn9-devel")
    found = [
        # A Deployment with a big image over two nodes, and what waits in the queue behind it on one of them.
        *(Act(-26.0 + 6 * turn, Clean(node)) for turn, node in enumerate((training, second))),
        Act(-26.0, Deploy(_pod("ml", "finetune-llama", number, training, pytorch))),
        Act(-20.0, Deploy(_pod("ml", "finetune-llama", number, second, pytorch))),
        Act(-8.0, Deploy(_pod("monitoring", "fluent-bit", number, training, image("fluent-bit", f"3.1.{number % 9}")))),
        Act(
            -6.0,
            Deploy(
                _pod(
                    "gpu-operator",
                    "dcgm-exporter",
                    number,
                    training,
                    image("dcgm-exporter", f"3.3.{number % 9}-ubuntu22.04"),
                )
            ),
        ),
        # A download that stands still for a minute.
        Act(-14.0, Clean(stalling)),
        Act(
            -14.0, Deploy(_pod("ml", "speech-nemo", number, stalling, image("nemo", _month(number)), Stall(0.24, 60.0)))
        ),
        # An agent that falls silent in the middle of a pull.
        Act(-4.0, Clean(silent)),
        Act(-4.0, Deploy(_pod("inference", "triton", number, silent, image("triton", f"{_month(number)}-py3")))),
        Act(9.0, Silence(silent, SILENCE_SECONDS)),
        # A release that was never pushed; it is put right after some time.
        *_broken_release(number, failing),
        # Two tags of one repository at once: nothing but the end tells which is which.
        Act(2.0, Clean("gpu-l4-01")),
        Act(2.0, Deploy(_pod("inference", "vllm-stable", number, "gpu-l4-01", image("vllm", f"v0.6.{number % 8}")))),
        Act(3.5, Deploy(_pod("inference", "vllm-canary", number, "gpu-l4-01", image("vllm", f"v0.7.{number % 8}")))),
        # Before a maintenance somebody fetches an image by hand.
        Act(6.0, PrePull("gpu-h100-01", image("vllm", f"v0.7.{number % 8}"))),
        # One pod, three images: one after another.
        Act(1.0, Deploy(orders(number, busy_worker))),
    ]
    return tuple(sorted(found, key=lambda act: act.at))


def orders(number: int, node: str) -> Pod:
    """A pod with an init container and a sidecar."""
    release = f"v5.{number}.0"
    return Pod(
        "shop",
        pod_name("orders", release, node),
        node,
        ("ReplicaSet", replica_set("orders", release)),
        (
            Container("migrate", image("migrate", release), Role.INIT, runs_seconds=3.0),
            Container("orders", image("orders", release)),
            Container("istio-proxy", image("proxy", f"1.23.{number % 9}")),
        ),
    )


def _broken_release(number: int, node: str) -> tuple[Act, ...]:
    missing, pushed = image("payments", f"v3.{number}.0"), image("payments", f"v3.{number}.1")
    words = (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{missing.name}": '
        f'failed to resolve reference "{missing.name}": {missing.name}: not found'
    )
    broken = _pod("shop", "payments", number, node, missing, Failure(words))
    return (
        Act(-2.0, Deploy(broken)),
        Act(166.0, Withdraw(broken)),
        Act(166.0, Deploy(_pod("shop", "payments", number, node, pushed))),
    )


def _pod(namespace: str, name: str, number: int, node: str, what: Image, fault: Fault | None = None) -> Pod:
    release = f"{what.name} {number}"
    owner = ("ReplicaSet", replica_set(name, release))
    return Pod(namespace, pod_name(name, release, node), node, owner, (Container(name, what, fault=fault),))


def _month(number: int) -> str:
    return f"24.{number % 12 + 1:02}"
