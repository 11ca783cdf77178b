"""The agent's loop: look at containerd, work out what it means, offer it to the Lease writer."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import tenacity

from pulltrace.agent import tracker
from pulltrace.agent.lease_writer import LeaseWriter
from pulltrace.containerd.client import ContainerdError, connect
from pulltrace.containerd.observation import NodeObservation, Observer
from pulltrace.kube.client.retry import describe_retry, retry_wait
from pulltrace.kube.errors import KubeError
from pulltrace.kube.resources.leases import WRITE_PERMISSION, LeaseRecord, LeaseWriting
from pulltrace.log_limiter import LogLimiter
from pulltrace.pulls.lease_format.annotations import decode
from pulltrace.pulls.redaction import redact_names
from pulltrace.pulls.thresholds import RECENT_SECONDS

logger = logging.getLogger(__name__)

OBSERVE_SECONDS = 0.5
"""How often containerd is asked while a few pulls run."""
MANY_PULLS = 5
"""With so many a look costs more, and comes half as often."""
IDLE_OBSERVE_SECONDS = 1.0
"""How often while none runs, or many do. When none runs, it is one call that costs containerd next to nothing."""
WRITTEN_AFTER_SECONDS = 2.0
"""A report is of a look that began at most so long before it was written."""
TROUBLE_AFTER = 3
"""Failed looks in a row before the Lease says that containerd does not answer."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What the loop needs to know."""

    node_name: str
    holder: str
    containerd_socket: str
    containerd_namespace: str
    report_interval_seconds: float | None
    """Between two reports of progress, at least; None leaves it to the aggregator."""
    start_spread_seconds: float = 0.0
    """How late the first write may come, at random, on a node that does not pull."""


class Observing(Protocol):
    """Where observations of a node come from."""

    async def observe(self) -> NodeObservation:
        """One look at the node; raises `ContainerdError`."""


async def run(settings: AgentSettings, store: LeaseWriting) -> None:
    """Follows the containerd of the node until it is cancelled."""
    async with connect(settings.containerd_socket, settings.containerd_namespace) as client:
        began = time.time()

        def observer(looked_at: float) -> Observer:
            return Observer(client, lambda: _modified_at(settings.containerd_socket), since=looked_at)

        await wait_for_turn(settings.start_spread_seconds, observer(began))
        await follow(settings, lambda lease: observer(untold_since(lease, began)), store)


async def wait_for_turn(spread_seconds: float, observer: Observing) -> None:
    """Agents that start together (a rollout, power that returns) come to the API server one by one, unless they have
    something to tell. The observer is spent afterwards: what it has seen here, it does not tell again.
    """
    now = asyncio.get_running_loop().time
    turn = now() + random.uniform(0, spread_seconds)
    while (left := turn - now()) > 0:
        try:
            observation = await observer.observe()
            if observation.pulls or observation.unseen:
                return
        except ContainerdError as error:
            logger.debug("containerd cannot be asked yet: %s", error)
        await asyncio.sleep(min(IDLE_OBSERVE_SECONDS, left))


def untold_since(lease: LeaseRecord | None, began: float) -> float:
    """Since when nobody has told of this node: what the agent before could not write any more (the API server was away,
    then its pod was deleted) is found again. `began` is when this agent started.
    """
    if lease is None or lease.renewed_at is None:
        return began
    return max(began - RECENT_SECONDS, min(began, lease.renewed_at - WRITTEN_AFTER_SECONDS))


async def follow(
    settings: AgentSettings, observer_after: Callable[[LeaseRecord | None], Observing], store: LeaseWriting
) -> None:
    """Follows what an observer sees until it is cancelled; it is made once the Lease of before is known."""
    lease = await _lease(settings.node_name, store)
    known = lease.annotations if lease is not None else {}
    writer = LeaseWriter(store, settings.node_name, settings.holder, settings.report_interval_seconds, known=known)
    state = tracker.restore(redact_names(decode(known)))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        tasks.create_task(_track(settings, observer_after(lease), state, writer))


async def _track(
    settings: AgentSettings, observer: Observing, state: tracker.TrackerState, writer: LeaseWriter
) -> None:
    failures = failed_polls = 0
    limiter = LogLimiter()
    while True:
        began, now = time.monotonic(), time.time()
        try:
            observation = await observer.observe()
        except ContainerdError as error:
            failures += 1
            failed_polls += 1
            if failures < TROUBLE_AFTER:
                line = f"containerd on {settings.containerd_socket}: {error}; looking again"
                if limited := limiter.take("", line, began):
                    logger.info(limited)
            elif failures == TROUBLE_AFTER:
                logger.warning("containerd on %s: %s; trying again each second", settings.containerd_socket, error)
                error_text = "containerd does not answer"
                writer.offer(tracker.report(state, failed_polls=failed_polls, error=error_text))
        else:
            if failures >= TROUBLE_AFTER:
                logger.warning("containerd on %s answers again", settings.containerd_socket)
            failures = 0
            state = tracker.advance(state, observation, now, settings.node_name)
            writer.offer(tracker.report(state, failed_polls=failed_polls))
        pause = OBSERVE_SECONDS if 0 < len(state.running) < MANY_PULLS else IDLE_OBSERVE_SECONDS
        await asyncio.sleep(max(0.05, began + pause - time.monotonic()))


async def _lease(node_name: str, store: LeaseWriting) -> LeaseRecord | None:
    """What was told before the restart. Without it, writing would wipe the history: so it waits."""
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(KubeError),
        wait=retry_wait,
        before_sleep=lambda attempt: logger.warning(
            "the Lease of node %s cannot be read yet: %s", node_name, describe_retry(attempt, WRITE_PERMISSION)
        ),
    )
    record: LeaseRecord | None = await retrying(store.get, node_name)
    return record


def _modified_at(socket_path: str) -> float:
    """When the socket was made, which is when containerd came up; 0 when that cannot be told."""
    try:
        return Path(socket_path).stat().st_mtime
    except OSError:
        return 0.0
