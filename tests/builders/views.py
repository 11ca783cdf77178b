"""Rows of the API: views of pulls, pods and nodes, and their changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TypedDict, Unpack

from pulltrace.pulls.failures import Failure
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import (
    Ahead,
    AnyChange,
    ImageNeed,
    NeedState,
    NodeView,
    PodChange,
    PodState,
    PodView,
    PullChange,
    PullView,
    WaitingContainer,
    Workload,
)
from tests.builders.pods import NODE
from tests.builders.pulls import MIB, NGINX, START, PullFields

NOW = datetime(2026, 11, 23, 15, 4, 5, 678_000, UTC).timestamp()
STARTED = datetime(2026, 11, 23, 15, 4, 0, tzinfo=UTC).timestamp()

MONOTONIC = 1000.0
"""The server's monotonic clock at `NOW`."""

WEB = Workload("shop", "Deployment", "web")
NEED = ImageNeed("nginx", "main", "nginx:1.29", NeedState.PULLING, "0123456789ab", left=TimeLeft(20, 12.5, 31))
POD = WaitingContainer("shop", "web-1", "nginx", "nginx:1.29")
IMAGE = f"{NGINX}:1.27"


class RowFields(PullFields, total=False):
    """The fields of `PullView` and of its pull that a test may replace."""

    node: str
    candidates: tuple[str, ...]
    waiting: tuple[WaitingContainer, ...]
    stale: bool
    failure: Failure | None
    reached_containerd: bool


class PodFields(TypedDict, total=False):
    """The fields of `PodView` that a test may replace."""

    namespace: str
    uid: str
    node: str
    workload: Workload
    waiting_since: float | None
    more_needs: int
    left: TimeLeft | None
    ended_at: float | None


def pull_view(
    pull_id: str = "0123456789ab",
    phase: Phase = Phase.DOWNLOADING,
    *,
    node: str = NODE,
    image: str | None = "docker.io/library/nginx:1.29",
    candidates: tuple[str, ...] = (),
    waiting: tuple[WaitingContainer, ...] = (),
    stale: bool = False,
    failure: Failure | None = None,
    reached_containerd: bool = True,
    **fields: Unpack[PullFields],
) -> PullView:
    """Return a row with no figures; `fields` are those of its pull."""
    pull = Pull(
        id=pull_id, phase=phase, started_at=STARTED, progressed_at=STARTED, ended_at=NOW if phase.ended else None
    )
    return PullView(node, replace(pull, **fields), image, candidates, waiting, stale, failure, reached_containerd)


def running_view(
    number: int = 1, phase: Phase = Phase.DOWNLOADING, *, image: str | None = IMAGE, **fields: Unpack[RowFields]
) -> PullView:
    """Return the row of a pull of nginx, 412 MiB of 675 MiB done."""
    values: RowFields = {
        "started_at": START,
        "progressed_at": START + 1,
        "ended_at": START + 30 if phase.ended else None,
        "repositories": (NGINX,),
        "total_bytes": 675 * MIB,
        "downloaded_bytes": 412 * MIB,
        "bytes_per_second": 34.0 * MIB if phase is Phase.DOWNLOADING else 0.0,
    }
    return pull_view(f"{number:012x}", phase, image=image, **(values | fields))


def waiting_containers(*pods: str) -> tuple[WaitingContainer, ...]:
    """Return one container of each pod that waits for nginx."""
    return tuple(WaitingContainer("shop", pod, "web", IMAGE) for pod in pods)


def image_need(
    state: NeedState = NeedState.PULLING,
    *,
    container: str = "web",
    role: str = "main",
    image: str = "nginx:1.27",
    pull_id: str | None = None,
    behind: tuple[Ahead, ...] | None = None,
    left: TimeLeft | None = None,
    failure: Failure | None = None,
) -> ImageNeed:
    """Return an image that a pod needs; by default the first pull brings it, and a queued one waits for the second."""
    if state is NeedState.PULLING and pull_id is None:
        pull_id = f"{1:012x}"
    if behind is None:
        behind = (Ahead("docker.io/library/redis:8", f"{2:012x}"),) if state is NeedState.QUEUED else ()
    return ImageNeed(container, role, image, state, pull_id, behind, left, failure)


def pod_view(
    name: str = "web-1",
    state: PodState = PodState.WAITING,
    *,
    needs: tuple[ImageNeed, ...] | None = None,
    estimated_at: float = MONOTONIC,
    **fields: Unpack[PodFields],
) -> PodView:
    """Return a pod of the Deployment shop/web that needs one image until it is ready or gone; nothing is estimated."""
    if needs is None:
        needs = (NEED,) if state in {PodState.WAITING, PodState.FAILING} else ()
    pod = PodView("shop", name, f"uid-{name}", NODE, WEB, state, estimated_at, needs=needs)
    return replace(pod, **fields)


def estimated_pod(
    name: str = "web-1",
    state: PodState = PodState.WAITING,
    *,
    needs: tuple[ImageNeed, ...] | None = None,
    estimated_at: float = MONOTONIC - 1,
    **fields: Unpack[PodFields],
) -> PodView:
    """Return a pod whose times were estimated a second before `NOW`: 20 s left, or ended then."""
    waits = state in {PodState.WAITING, PodState.FAILING}
    values: PodFields = {
        "waiting_since": STARTED,
        "left": TimeLeft(20, 12.5, 31) if waits else None,
        "ended_at": None if waits else MONOTONIC - 1,
    }
    return pod_view(name, state, needs=needs, estimated_at=estimated_at, **(values | fields))


def waiting_pod(
    name: str = "web-1",
    *needs: ImageNeed,
    state: PodState = PodState.WAITING,
    at: float = 0.0,
    **fields: Unpack[PodFields],
) -> PodView:
    """Return a pod that waits for these images, by default for the nginx of `running_view`."""
    ended = state in {PodState.READY, PodState.GONE}
    return pod_view(name, state, needs=needs or (() if ended else (image_need(),)), estimated_at=at, **fields)


def node_view(
    name: str = NODE,
    *,
    reported_at: float = MONOTONIC,
    stale: bool = False,
    bytes_per_second: float = 0.0,
    pulling: int = 0,
    queued: int = 0,
    failing: int = 0,
    parallel: bool = False,
    error: str | None = None,
) -> NodeView:
    """Return an idle node."""
    return NodeView(name, reported_at, stale, bytes_per_second, pulling, queued, failing, parallel, error)


def time_left(likely: float) -> TimeLeft:
    """Return an estimate between half and double of `likely`."""
    return TimeLeft(likely, likely / 2, likely * 2)


def pull_changes(*views: PullView | None, first: int = 1) -> list[PullChange]:
    """Return the changes of one row: each view is the next `after`; None first is a new row, None last a deleted one."""
    return [PullChange(first + index, views[index], views[index + 1]) for index in range(len(views) - 1)]


def pod_changes(*views: PodView | None) -> list[AnyChange]:
    """Return the changes of one pod, as `pull_changes` does."""
    return [PodChange(index + 1, views[index], views[index + 1]) for index in range(len(views) - 1)]
