"""The agent's loop: look at containerd, work out what it means, offer it to the Lease writer."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import tenacity

from pulltrace.agent import tracker
from pulltrace.agent.lease_writer import RETRY_WAIT, LeaseWriter
from pulltrace.containerd.client import ContainerdError, connect
from pulltrace.containerd.observation import NodeObservation, Observer
from pulltrace.kube.errors import KubeError
from pulltrace.kube.leases import LeaseRecord, LeaseWriting
from pulltrace.pulls.annotations import decode
from pulltrace.pulls.model import NodeReport

logger = logging.getLogger(__name__)

OBSERVE_SECONDS = 0.5
"""How often containerd is asked while a few pulls run."""
MANY_PULLS = 5
"""With so many a look costs more, and comes half as often."""
IDLE_OBSERVE_SECONDS = 1.0
"""How often while none runs, or many do. When none runs, it is one call that costs containerd next to nothing."""
TROUBLE_AFTER = 3
"""Failed looks in a row before the Lease says that containerd does not answer."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What the loop needs to know."""

    node_name: str
    holder: str
    containerd_socket: str
    containerd_namespace: str
    report_interval_seconds: float


class Observing(Protocol):
    """Where observations of a node come from."""

    async def observe(self) -> NodeObservation:
        """One look at the node; raises `ContainerdError`."""


async def run(settings: AgentSettings, store: LeaseWriting) -> None:
    """Follows the containerd of the node until it is cancelled."""
    async with connect(settings.containerd_socket, settings.containerd_namespace) as client:
        await follow(settings, Observer(client, lambda: _modified_at(settings.containerd_socket)), store)


async def follow(settings: AgentSettings, observer: Observing, store: LeaseWriting) -> None:
    """Follows what `observer` sees until it is cancelled."""
    writer = LeaseWriter(store, settings.node_name, settings.holder, settings.report_interval_seconds)
    state = tracker.restore(await _last_report(settings.node_name, store))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        tasks.create_task(_track(settings, observer, state, writer))


async def _track(settings: AgentSettings, observer: Observing, state: tracker.NodeState, writer: LeaseWriter) -> None:
    failures = 0
    while True:
        began, now = time.monotonic(), time.time()
        try:
            observation = await observer.observe()
        except ContainerdError as error:
            failures += 1
            if failures == TROUBLE_AFTER:
                logger.warning("containerd on %s: %s; trying again each second", settings.containerd_socket, error)
                writer.offer(replace(tracker.report(state), trouble="containerd does not answer"))
        else:
            if failures >= TROUBLE_AFTER:
                logger.warning("containerd on %s answers again", settings.containerd_socket)
            failures = 0
            state = tracker.advance(state, observation, now, settings.node_name)
            writer.offer(tracker.report(state))
        pause = OBSERVE_SECONDS if 0 < len(state.running) < MANY_PULLS else IDLE_OBSERVE_SECONDS
        await asyncio.sleep(max(0.05, began + pause - time.monotonic()))


async def _last_report(node_name: str, store: LeaseWriting) -> NodeReport:
    """What the Lease says of before the restart. Without it, writing would wipe the history: so it waits."""
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(KubeError),
        wait=RETRY_WAIT,
        before_sleep=lambda attempt: logger.warning(
            "the Lease of node %s cannot be read yet: %s", node_name, _why(attempt)
        ),
    )
    record: LeaseRecord | None = await retrying(store.get, node_name)
    return decode(record.annotations) if record is not None else NodeReport()


def _why(attempt: tenacity.RetryCallState) -> BaseException | None:
    return attempt.outcome.exception() if attempt.outcome else None


def _modified_at(socket_path: str) -> float:
    """When the socket was made, which is when containerd came up; 0 when that cannot be told."""
    try:
        return Path(socket_path).stat().st_mtime
    except OSError:
        return 0.0
