"""The real HTTP server with made-up rows: thousands of them, or hostile names.

python -m tests.web.rows many|hostile|quiet PORT
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pulltrace.aggregator.state.store import PullStore
from pulltrace.pulls.failures import Failure, Reason
from pulltrace.pulls.model import Layer, LayerState, Phase, Pull
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import (
    ImageNeed,
    NeedState,
    NodeView,
    PodState,
    PodView,
    PullView,
    WaitingContainer,
    Workload,
)
from pulltrace.server.app import create_app
from pulltrace.server.http.server import serve
from tests.builders.views import node_view

MIB = 1024 * 1024
MANY = 5000
LAYERS = 10
REPORT_SECONDS = 15.0
"""The report interval of so many pulling nodes."""
TICK_SECONDS = 0.1
HOSTILE = (
    '<img src=x onerror="document.title=1">',
    "javascript:alert(1)//",
    "<script>document.title=1</script>",
    "$(touch /tmp/x); `id` 'x' \"y\"",
    "a\u202ecod.exe\u200b\u001b[31m",
    "n" * 3000,
)


def pull(number: int, now: float) -> Pull:
    layers = tuple(
        Layer(f"sha256:{number:05x}{index:02x}{'0' * 57}", 90 * MIB, 40 * MIB, LayerState.DOWNLOADING)
        for index in range(LAYERS)
    )
    return Pull(
        id=f"{number:012x}",
        phase=Phase.DOWNLOADING,
        started_at=now - 60,
        progressed_at=now,
        total_bytes=90 * MIB * LAYERS,
        downloaded_bytes=40 * MIB * LAYERS,
        unpacked_bytes=10 * MIB * LAYERS,
        bytes_per_second=12.0 * MIB,
        time_left=TimeLeft.exactly(45.0 + number % 300),
        layer_count=LAYERS,
        layers=layers,
    )


def many(now: float) -> Iterator[PullView]:
    """Yield one pull on each of 5,000 nodes, for the pods of a hundred workloads."""
    for number in range(MANY):
        image = f"registry.example.com/team-{number % 40}/service-{number % 100}:v{number % 7}"
        workload = Workload(f"team-{number % 40}", "Deployment", f"service-{number % 100}")
        waiting = WaitingContainer(workload.namespace, f"{workload.name}-{number:05}", "main", image, workload)
        yield PullView(f"node-{number:05}", pull(number, now), image, waiting=(waiting,))


def hostile(now: float) -> Iterator[PullView]:
    """Yield rows whose names are all hostile."""
    for number, name in enumerate(HOSTILE):
        waiting = WaitingContainer(name, name, name, name, Workload(name, name, name))
        yield PullView(name, pull(number, now), name, waiting=(waiting,))
        ended = replace(pull(number + 100, now), phase=Phase.FAILED, ended_at=now, error=name)
        yield PullView(name, ended, name, waiting=(waiting,), failure=Failure(Reason.UNKNOWN, name, 3))


def pods(views: Iterator[PullView]) -> Iterator[PodView]:
    """Yield the pods of the pulls; a failed pull has a failing pod."""
    for view in views:
        failed = view.pull.phase.ended
        for waiting in view.waiting:
            left = None if failed else TimeLeft(view.pull.time_left.likely if view.pull.time_left else 0.0, 30.0, 400.0)
            state = NeedState.FAILED if failed else NeedState.PULLING
            need = ImageNeed(waiting.container, "main", waiting.image, state, view.id, left=left, failure=view.failure)
            yield PodView(
                waiting.namespace,
                waiting.pod,
                f"uid-{view.id}",
                view.node,
                waiting.workload or Workload(waiting.namespace, "Pod", waiting.pod),
                PodState.FAILING if failed else PodState.WAITING,
                time.monotonic(),
                needs=(need,),
                left=left,
            )


ROWS: dict[str, Callable[[float], Iterator[PullView]]] = {
    "many": many,
    "hostile": hostile,
    "quiet": lambda now: iter(()),
}


async def move(store: PullStore) -> None:
    """Let the pulls report one after another, in batches."""
    share = max(1, round(MANY * TICK_SECONDS / REPORT_SECONDS))
    place = 0
    while True:
        await asyncio.sleep(TICK_SECONDS)
        views = list(store.snapshot().pulls.values())
        moved = [views[(place + offset) % len(views)] for offset in range(share)]
        place = (place + share) % len(views)
        now = time.time()
        after = {
            view.id: replace(
                view,
                pull=replace(
                    view.pull,
                    progressed_at=now,
                    downloaded_bytes=min(view.pull.downloaded_bytes + 9 * MIB, view.pull.total_bytes or 0),
                ),
            )
            for view in moved
        }
        store.replace_pulls(list(after), after)


def nodes_of(views: Sequence[PullView]) -> tuple[NodeView, ...]:
    """Return the nodes of these rows with a report of this moment; an idle one when there are no rows."""
    pulling = Counter({"node-idle": 0} if not views else ())
    rates = Counter[str]()
    for view in views:
        pulling[view.node] += not view.pull.phase.ended
        rates[view.node] += round(view.pull.bytes_per_second)
    return tuple(
        node_view(name, heard_at=time.monotonic(), bytes_per_second=rates[name], pulling=count)
        for name, count in pulling.items()
    )


async def main(kind: str, port: int) -> None:
    store = PullStore()
    views = list(ROWS[kind](time.time()))
    store.replace_pulls((), {view.id: view for view in views})
    store.replace_pods((), {pod.id: pod for pod in pods(iter(views))})
    store.mark_synced()
    app = create_app(store, nodes=lambda: nodes_of(views))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(app, f"127.0.0.1:{port}", setting="PORT"))
        if kind == "many":
            tasks.create_task(move(store))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
