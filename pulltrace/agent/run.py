"""The agent's loop: poll containerd, track the node's pulls, and offer reports to the Lease writer."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
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
from pulltrace.settings.flags import AgentSettings

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""Interval of polls of containerd while a few pulls run."""
MANY_PULLS = 5
"""From this number of pulls on, a poll costs more and the idle interval applies."""
IDLE_POLL_SECONDS = 1.0
"""Interval while no pull runs. A poll is then one call that costs containerd almost nothing."""
LEASE_READ_SECONDS = 5.0
"""An idle agent reads its Lease beside a random poll of this first part of its delay."""
WRITTEN_AFTER_SECONDS = 2.0
"""Maximum time from the start of a poll to the write of its report."""
FAILED_POLLS = 3
"""Failed polls in a row before the Lease reports that containerd does not answer."""


class NodeObserver(Protocol):
    """A source of observations of one node."""

    async def observe(self) -> NodeObservation:
        """Poll the node once. Raises `ContainerdError`."""


async def run(settings: AgentSettings, store: LeaseWriting, holder: str) -> None:
    """Report the pulls of this node's containerd until cancelled. `holder` identifies this process in the Lease."""
    async with connect(settings.containerd_socket, settings.containerd_namespace) as client:
        started_at = time.time()

        def observer_since(since: float) -> Observer:
            return Observer(client, lambda: _modified_at(settings.containerd_socket), since=since)

        def read_lease() -> Awaitable[LeaseRecord | None]:
            return _read_lease(settings.node_name, store)

        lease = await delay_idle_start(settings.start_spread_seconds, observer_since(started_at), read_lease)
        await report_pulls(settings, store, holder, lease, observer_since(unreported_since(lease, started_at)))


async def delay_idle_start(
    spread_seconds: float, observer: NodeObserver, read_lease: Callable[[], Awaitable[LeaseRecord | None]]
) -> LeaseRecord | None:
    """Wait for a random time, or until the node has a pull to report. Return its Lease.

    Agents that start together (a rollout, a power failure) so spread their requests to the API server. A pull that the
    Lease reports as running needs a report as well: it ended while no agent ran. The observer reports a missed pull
    once only, so the caller needs a new one afterwards.
    """
    now = asyncio.get_running_loop().time
    delay = random.uniform(0, spread_seconds)
    if delay > 0:
        logger.info("first write in %.0f s, or at once when the node has a pull to report", delay)
    end = now() + delay
    reads_at: float | None = now() + random.uniform(0, min(delay, LEASE_READ_SECONDS))
    lease: LeaseRecord | None = None
    while (left := end - now()) > 0:
        if reads_at is not None and now() >= reads_at:
            lease, reads_at = await read_lease(), None
            if lease is not None and decode(lease.annotations).pulls:
                return lease
        try:
            observation = await observer.observe()
            if observation.pulls or observation.unseen:
                break
        except ContainerdError as error:
            logger.debug("containerd does not answer yet: %s", error)
        await asyncio.sleep(min(IDLE_POLL_SECONDS, left))
    return lease if reads_at is None else await read_lease()


def unreported_since(lease: LeaseRecord | None, started_at: float) -> float:
    """Return the time after which pulls are unreported: the last write of the agent before this one.

    That agent may have lost reports: the API server was away, and then its pod was deleted. `started_at` is when this agent
    started.
    """
    if lease is None or lease.renewed_at is None:
        return started_at
    return max(started_at - RECENT_SECONDS, min(started_at, lease.renewed_at - WRITTEN_AFTER_SECONDS))


async def report_pulls(
    settings: AgentSettings, store: LeaseWriting, holder: str, lease: LeaseRecord | None, observer: NodeObserver
) -> None:
    """Report the observations of a node until cancelled. `lease` is the node's, with the reports of earlier agents."""
    known = lease.annotations if lease is not None else {}
    writer = LeaseWriter(store, settings.node_name, holder, settings.report_interval_seconds, known=known)
    state = tracker.restore(redact_names(decode(known)))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        tasks.create_task(_track(settings, observer, state, writer))


async def _track(
    settings: AgentSettings, observer: NodeObserver, state: tracker.TrackerState, writer: LeaseWriter
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
            if failures < FAILED_POLLS:
                line = f"poll of containerd on {settings.containerd_socket} failed: {error}; retrying"
                if limited := limiter.admit("", line, began):
                    logger.info(limited)
            elif failures == FAILED_POLLS:
                logger.warning("containerd on %s does not answer: %s", settings.containerd_socket, error)
                writer.offer(tracker.report(state, failed_polls=failed_polls, error="containerd does not answer"))
        else:
            if failures >= FAILED_POLLS:
                logger.warning("containerd on %s answers again", settings.containerd_socket)
            failures = 0
            state = tracker.advance(state, observation, now, settings.node_name)
            writer.offer(tracker.report(state, failed_polls=failed_polls))
        pause = POLL_SECONDS if 0 < len(state.running) < MANY_PULLS else IDLE_POLL_SECONDS
        await asyncio.sleep(max(0.05, began + pause - time.monotonic()))


async def _read_lease(node_name: str, store: LeaseWriting) -> LeaseRecord | None:
    """Return the node's Lease as soon as the API server answers: a write without its history would delete that."""
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(KubeError),
        wait=retry_wait,
        before_sleep=lambda attempt: logger.warning(
            "cannot read the Lease of node %s: %s", node_name, describe_retry(attempt, WRITE_PERMISSION)
        ),
    )
    record: LeaseRecord | None = await retrying(store.get, node_name)
    return record


def _modified_at(socket_path: str) -> float:
    """Return when containerd made its socket, which is when it started; 0 when unknown."""
    try:
        return Path(socket_path).stat().st_mtime
    except OSError:
        return 0.0
