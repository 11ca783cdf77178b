"""Rows of running pulls and waiting pods for the tests of what is said and aggregator of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pulltrace.aggregator.state.store import PullStore
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import (
    Ahead,
    AnyChange,
    ImageNeed,
    NeedState,
    PodChange,
    PodState,
    PodView,
    PullChange,
    PullView,
    WaitingContainer,
    Workload,
)
from tests.aggregator.builders import NGINX, NODE, START

MIB = 1 << 20
IMAGE = f"{NGINX}:1.27"


def running(number: int = 1, phase: Phase = Phase.DOWNLOADING, *, node: str = NODE, **fields: Any) -> PullView:
    """A row of a pull of nginx, 412 MiB of 675 MiB done."""
    waiting = fields.pop("waiting", ())
    image = fields.pop("image", IMAGE)
    failure = fields.pop("failure", None)
    stale = fields.pop("stale", False)
    values: dict[str, Any] = {
        "id": f"{number:012x}",
        "phase": phase,
        "started_at": START,
        "progressed_at": START + 1,
        "repositories": (NGINX,),
        "total_bytes": 675 * MIB,
        "downloaded_bytes": 412 * MIB,
        "bytes_per_second": 34.0 * MIB if phase is Phase.DOWNLOADING else 0.0,
    }
    if phase.ended:
        values["ended_at"] = START + 30
    pull = Pull(**{**values, **fields})
    return PullView(node, pull, image, waiting=waiting, stale=stale, failure=failure)


def waits_for(*pods: str) -> tuple[WaitingContainer, ...]:
    return tuple(WaitingContainer("shop", pod, "web", IMAGE) for pod in pods)


def need(state: NeedState = NeedState.PULLING, *, image: str = "nginx:1.27", **fields: Any) -> ImageNeed:
    if state is NeedState.PULLING:
        fields.setdefault("pull_id", f"{1:012x}")
    if state is NeedState.QUEUED:
        fields.setdefault("behind", (Ahead("docker.io/library/redis:8", f"{2:012x}"),))
    return ImageNeed(fields.pop("container", "web"), fields.pop("role", "main"), image, state, **fields)


def waiting(name: str = "web-1", *needs: ImageNeed, at: float = 0.0, **fields: Any) -> PodView:
    """A pod that waits for nginx, which is being pulled."""
    state = fields.pop("state", PodState.WAITING)
    return PodView(
        namespace=fields.pop("namespace", "shop"),
        name=name,
        uid=fields.pop("uid", f"uid-{name}"),
        node=fields.pop("node", NODE),
        workload=Workload("shop", "Deployment", "web"),
        state=state,
        estimated_at=at,
        needs=needs or (() if state in {PodState.READY, PodState.GONE} else (need(),)),
        **fields,
    )


def left(likely: float) -> TimeLeft:
    return TimeLeft(likely, likely / 2, likely * 2)


def pulls(*views: PullView | None) -> list[AnyChange]:
    """What became of one pull: each view the next `after`; None first for a new row, last for one that is gone."""
    return [PullChange(index + 1, views[index], views[index + 1]) for index in range(len(views) - 1)]


def pods(*views: PodView | None) -> list[AnyChange]:
    return [PodChange(index + 1, views[index], views[index + 1]) for index in range(len(views) - 1)]


def store_of(views: Sequence[PullView] = (), waiting: Sequence[PodView] = ()) -> PullStore:
    """A store that holds these rows."""
    store = PullStore()
    store.replace_pulls((), {view.id: view for view in views})
    store.replace_pods((), {pod.id: pod for pod in waiting})
    return store
