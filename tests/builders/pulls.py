"""Pulls, their layers and reports."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TypedDict, Unpack

from pulltrace.pulls.model import Layer, LayerState, NodeReport, Phase, Pull
from pulltrace.pulls.time_left import TimeLeft

MIB = 1 << 20
START = 1_763_910_000.0
NGINX = "docker.io/library/nginx"
DIGEST = "sha256:" + "a" * 64
OTHER_DIGEST = "sha256:" + "b" * 64
WITHOUT_BYTES = (LayerState.QUEUED, LayerState.LAZY)


class PullFields(TypedDict, total=False):
    """The fields of `Pull` that a test may replace, beside the phase."""

    id: str
    started_at: float
    progressed_at: float
    ended_at: float | None
    repositories: tuple[str, ...]
    names: tuple[str, ...]
    target_digest: str | None
    total_bytes: int | None
    downloaded_bytes: int
    cached_bytes: int
    lazy_bytes: int
    unpacked_bytes: int
    bytes_per_second: float
    time_left: TimeLeft | None
    error: str | None
    layer_count: int
    layers_done: int
    layers: tuple[Layer, ...]


def pull(number: int = 1, phase: Phase = Phase.DOWNLOADING, **fields: Unpack[PullFields]) -> Pull:
    """Return a running pull of nginx, 100 of 1000 bytes done; containerd has not recorded its name."""
    made = Pull(
        id=f"{number:012x}",
        phase=phase,
        started_at=START,
        progressed_at=START + 1,
        repositories=(NGINX,),
        target_digest=DIGEST,
        total_bytes=1000,
        downloaded_bytes=100,
    )
    return replace(made, **fields)


def resolving(number: int = 1, **fields: Unpack[PullFields]) -> Pull:
    """Return a pull that has no content yet."""
    made = pull(number, Phase.RESOLVING, repositories=(), target_digest=None, total_bytes=None, downloaded_bytes=0)
    return replace(made, **fields)


def ended(number: int = 1, phase: Phase = Phase.COMPLETED, **fields: Unpack[PullFields]) -> Pull:
    """Return a pull that took 30 s; a completed one has its name."""
    names = (f"{NGINX}:1.29",) if phase is Phase.COMPLETED else ()
    made = pull(number, phase, ended_at=START + 30, progressed_at=START + 30, downloaded_bytes=1000, names=names)
    return replace(made, **fields)


def large_pull(number: int, count: int, **fields: Unpack[PullFields]) -> Pull:
    """Return a pull in the middle of its work, its layers and figures as long as real ones."""
    layers = []
    for index, state in zip(range(count), itertools.cycle(LayerState)):
        size = 54_321_987
        done = 0 if state in WITHOUT_BYTES else 12_345_678 if state is LayerState.DOWNLOADING else size
        layers.append(layer(f"{987_654_321_000 + 100 * number + index:012x}", state, done, size))
    made = pull(
        987_654_321_000 + number,
        repositories=(f"registry.example.com/team-{number}/service",),
        target_digest="sha256:" + (f"{number:x}" * 64)[:64],
        total_bytes=54_321_987 * count,
        downloaded_bytes=12_345_678 * count,
        cached_bytes=54_321_987,
        unpacked_bytes=54_321_987,
        bytes_per_second=34_567_890.0,
        time_left=TimeLeft.exactly(42.1),
        layer_count=count,
        layers_done=2,
        layers=tuple(layers),
    )
    return replace(made, **fields)


def layer(
    digits: str,
    state: LayerState = LayerState.DOWNLOADING,
    downloaded_bytes: int = 0,
    size_bytes: int = 100,
) -> Layer:
    """Return a layer; one digit is a whole digest, 12 are a digest as a Lease has it."""
    digest = digits * 64 if len(digits) == 1 else digits
    return Layer(f"sha256:{digest}", size_bytes, downloaded_bytes, state)


def report(*pulls: Pull, recent: tuple[Pull, ...] = ()) -> NodeReport:
    """Return the report of a node with these pulls."""
    return NodeReport(pulls=pulls, recent=recent)
