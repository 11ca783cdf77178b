"""The script of the demo: a step for every kind of row that Pulltrace can show.

A round is a list of steps with their times. Rounds follow each other on changing nodes and with new releases, so that nodes
have some of the layers already, as in a real cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pulltrace.demo.images import Image, image
from pulltrace.demo.naming import pod_name
from pulltrace.demo.node import Failure, Fault, Stall
from pulltrace.demo.nodes import FASTEST, PARALLEL, TRAINERS, WORKERS
from pulltrace.demo.pods import Container, Pod, Refusal
from pulltrace.kube.resources.pending_pods import Role
from pulltrace.pulls.view import Workload

ROUND_SECONDS = 200.0
PREPARATION_SECONDS = 30.0
"""The first steps of a round start this long before its time zero, so that pulls run at zero."""
SILENCE_SECONDS = 95.0
FLEET = 12
"""Pods of one Deployment."""


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
    """A user pulls an image by hand: no pod waits for it."""

    node: str
    image: Image


@dataclass(frozen=True, slots=True)
class Clean:
    """A node removes all images that no pod needs."""

    node: str


@dataclass(frozen=True, slots=True)
class Silence:
    """The agent of a node is away for a while; its pulls go on."""

    node: str
    seconds: float


Action = Deploy | Withdraw | PrePull | Clean | Silence


@dataclass(frozen=True, slots=True)
class Step:
    """An action at a time, in seconds from time zero of its round."""

    at: float
    action: Action


def steps(number: int) -> tuple[Step, ...]:
    """Return the steps of a round, by time."""
    found = (*_on_accelerated(number), *_on_workers(number))
    return tuple(sorted(found, key=lambda step: step.at))


def _on_accelerated(number: int) -> Iterator[Step]:
    training, second, stalling, silent = (TRAINERS[(number + turn) % len(TRAINERS)] for turn in range(4))
    month = f"24.{number % 12 + 1:02}"

    # A Deployment with a big image on two nodes; on one of them, more images are queued behind it.
    pytorch = image("pytorch", "2.4.0-cuda12.4-cudnn9-devel")
    for at, node in ((-26.0, training), (-20.0, second)):
        yield Step(at, Clean(node))
        yield Step(at, Deploy(_pod("ml", "finetune-llama", number, node, pytorch)))
    yield Step(
        -8.0, Deploy(_pod("monitoring", "fluent-bit", number, training, image("fluent-bit", f"3.1.{number % 9}")))
    )
    exporter = image("dcgm-exporter", f"3.3.{number % 9}-ubuntu22.04")
    yield Step(-6.0, Deploy(_pod("gpu-operator", "dcgm-exporter", number, training, exporter)))

    # A download that stalls for a minute.
    yield Step(-14.0, Clean(stalling))
    yield Step(-14.0, Deploy(_pod("ml", "speech-nemo", number, stalling, image("nemo", month), Stall(0.24, 60.0))))

    # An agent that stops reporting during a pull.
    yield Step(-6.0, Clean(silent))
    yield Step(-6.0, Deploy(_pod("inference", "triton", number, silent, image("triton", f"{month}-py3"))))
    yield Step(3.0, Silence(silent, SILENCE_SECONDS))

    # Two tags of one repository at once: their names are unknown until they end.
    stable, canary = image("vllm", f"v0.6.{number % 8}"), image("vllm", f"v0.7.{number % 8}")
    yield Step(2.0, Clean(PARALLEL))
    yield Step(2.0, Deploy(_pod("inference", "vllm-stable", number, PARALLEL, stable)))
    yield Step(3.5, Deploy(_pod("inference", "vllm-canary", number, PARALLEL, canary)))

    # A user pulls an image by hand before a rollout.
    yield Step(6.0, PrePull(FASTEST, canary))


def _on_workers(number: int) -> Iterator[Step]:
    several, failing, interrupted = (WORKERS[(number + turn) % len(WORKERS)] for turn in (0, 2, 3))

    # A release that was never pushed, and its fix.
    missing = image("payments", f"v3.{number}.0")
    broken = _pod("shop", "payments", number, failing, missing, Failure(_not_found(missing)))
    yield Step(-29.0, Deploy(broken))
    yield Step(166.0, Withdraw(broken))
    yield Step(166.0, Deploy(_pod("shop", "payments", number, failing, image("payments", f"v3.{number}.1"))))

    # A connection that breaks: the next try resumes the download.
    catalog = image("catalog", f"v4.{number}.0")
    reset = Failure(_connection_reset(catalog), after_fraction=0.55)
    yield Step(94.0, Deploy(_pod("shop", "catalog", number, interrupted, catalog, reset)))

    # One pod with three images, pulled one after another.
    yield Step(1.0, Deploy(orders(number, several)))

    yield from _refused(number)
    yield from _fleet(number)


def _refused(number: int) -> Iterator[Step]:
    """Yield pods that never start: an invalid image name, and a registry that requires authentication."""
    invalid, private = (WORKERS[(number + turn) % len(WORKERS)] for turn in (3, 4))
    name = f"ghcr.io/acme/Billing:v2.{number}.0"
    refusal = Refusal("InvalidImageName", f'Failed to apply default image tag "{name}": {_NOT_A_NAME}')
    wrong = _pod("shop", "billing", number, invalid, Image(name, ()), refusal)
    yield Step(-25.0, Deploy(wrong))
    yield Step(150.0, Withdraw(wrong))
    ledger = image("ledger", f"v1.{number}.0")
    closed = _pod("finance", "ledger", number, private, ledger, Failure(_unauthorized(ledger)))
    yield Step(-22.0, Deploy(closed))
    yield Step(140.0, Withdraw(closed))


def _fleet(number: int) -> Iterator[Step]:
    """Yield a Deployment of many pods on a few nodes, each of which pulls two images for all of its pods."""
    release = f"v2.{number}.0"
    gateway, proxy = image("gateway", release), image("proxy", f"1.24.{number % 9}")
    for replica in range(FLEET):
        node = WORKERS[(number + (1, 4, 5)[replica % 3]) % len(WORKERS)]
        pod = Pod(
            "edge",
            pod_name("gateway", release, str(replica)),
            node,
            Workload("edge", "Deployment", "gateway"),
            (Container("gateway", gateway), Container("istio-proxy", proxy)),
        )
        yield Step(40.0 + replica / 4, Deploy(pod))


def orders(number: int, node: str) -> Pod:
    """Return a pod with an init container and a sidecar."""
    release = f"v5.{number}.0"
    return Pod(
        "shop",
        pod_name("orders", release, node),
        node,
        Workload("shop", "Deployment", "orders"),
        (
            Container("migrate", image("migrate", release), Role.INIT, runs_seconds=3.0),
            Container("orders", image("orders", release)),
            Container("istio-proxy", image("proxy", f"1.23.{number % 9}")),
        ),
    )


def _not_found(missing: Image) -> str:
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{missing.reference}": '
        f'failed to resolve reference "{missing.reference}": {missing.reference}: not found'
    )


_NOT_A_NAME = "couldn't parse image name: invalid reference format: repository name must be lowercase"


def _unauthorized(wanted: Image) -> str:
    host, _, path = wanted.repository.partition("/")
    return (
        f'failed to pull and unpack image "{wanted.reference}": failed to resolve reference "{wanted.reference}": '
        f"failed to authorize: failed to fetch anonymous token: unexpected status from GET request to "
        f"https://{host}/token?scope=repository%3A{path}%3Apull&service={host}: 401 Unauthorized"
    )


def _connection_reset(wanted: Image) -> str:
    return (
        f'rpc error: code = Unknown desc = failed to pull and unpack image "{wanted.reference}": failed to copy: '
        f"read tcp 10.40.2.17:51724->140.82.121.34:443: read: connection reset by peer"
    )


def _pod(namespace: str, name: str, number: int, node: str, what: Image, fault: Fault | Refusal | None = None) -> Pod:
    release = f"{what.name} {number}"
    workload = Workload(namespace, "Deployment", name)
    return Pod(namespace, pod_name(name, release, node), node, workload, (Container(name, what, fault=fault),))
