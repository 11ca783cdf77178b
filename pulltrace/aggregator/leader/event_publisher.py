"""Says in Kubernetes Events what is due: the leader's work, and nothing that anything else waits for.

Events help, but nothing depends on them: whatever goes wrong is logged, waited out and forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from pulltrace.aggregator.leader.event_planner import Announcer
from pulltrace.kube.client.retry import Backoff, Timing
from pulltrace.kube.errors import ApiError, KubeError
from pulltrace.kube.resources.event_recorder import EventRecorder, KubernetesEvent

TICK_SECONDS = 1.0
AT_ONCE = 4
FORBIDDEN_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 120.0
UNEXPECTED_SECONDS = 60.0
MOST_QUIET = 1000
"""Namespaces in which nothing may be written; beyond it, their number has another reason than a Role."""
TERMINATING = "it is being terminated"
"""What the API server also answers with 403: a namespace that goes takes in nothing new."""

_log = logging.getLogger(__name__)


class Announcing:
    """Writes what the announcer finds due, as long as `leading` says so."""

    def __init__(
        self,
        announcer: Announcer,
        writer: EventRecorder,
        leading: Callable[[], bool],
        catch_up: Callable[[], None],
        timing: Timing | None = None,
    ) -> None:
        self._announcer = announcer
        self._writer = writer
        self._leading = leading
        self._catch_up = catch_up
        self._timing = timing or Timing()
        self._backoff = Backoff(self._timing.uniform)
        self._quiet: dict[str, float] = {}
        """Namespaces in which nothing may be written, and until when that is believed."""
        self._complained_at: dict[str, float] = {}

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            pause = TICK_SECONDS
            try:
                pause = max(pause, await self._round())
            except Exception:
                _log.exception("Kubernetes Events: a mistake of Pulltrace's; going on in %.0f s", UNEXPECTED_SECONDS)
                pause = UNEXPECTED_SECONDS
            await self._timing.sleep(pause)

    async def _round(self) -> float:
        """Writes what is due; how long to wait, where the API server calls for it."""
        now = self._timing.monotonic()
        self._catch_up()
        self._quiet = {namespace: until for namespace, until in self._quiet.items() if until > now}
        events, pause = self._announcer.due(now, self._quiet.keys()), 0.0
        while events:
            batch, events = events[:AT_ONCE], events[AT_ONCE:]
            if not pause and self._leading():
                pause = await self._write(batch)
            else:
                for event in batch:
                    self._announcer.unsaid(event)
        return pause

    async def _write(self, batch: Sequence[KubernetesEvent]) -> float:
        """Writes some at once; how long nothing more is to be written."""
        outcomes = await asyncio.gather(*map(self._writer.write, batch), return_exceptions=True)
        troubles: list[KubeError] = []
        for event, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, ApiError) and 400 <= outcome.status < 500 and outcome.status != 429:
                self._refused(event, outcome)
            elif isinstance(outcome, KubeError):
                self._announcer.unsaid(event)
                troubles.append(outcome)
            elif outcome is not None:
                raise outcome
        if not troubles:
            self._backoff.reset()
            return 0.0
        after = max(
            (error.retry_after_seconds or 0.0 for error in troubles if isinstance(error, ApiError)), default=0.0
        )
        pause = max(self._backoff.next(), min(after, LONGEST_RETRY_AFTER_SECONDS))
        self._complain("failed", f"{troubles[0]}; trying again in {pause:.1f} s")
        return pause

    def _refused(self, event: KubernetesEvent, error: ApiError) -> None:
        """This one is not wanted; others may be."""
        if error.status != 403:  # its namespace is gone, or a rule of the cluster's is against it
            what = f"the Event {event.reason} of pod {event.namespace}/{event.pod}"
            self._complain(str(error.status), f"{what} was refused: {error}")
            return
        self._announcer.unsaid(event)
        if TERMINATING not in error.reason:
            where = f"create and patch events in namespace {event.namespace}"
            self._complain("403", f"missing permission to {where}: {error}")
        if len(self._quiet) < MOST_QUIET:
            self._quiet[event.namespace] = self._timing.monotonic() + FORBIDDEN_SECONDS

    def _complain(self, about: str, text: str) -> None:
        """Logs it, each kind of trouble once a minute at most."""
        now = self._timing.monotonic()
        if now - self._complained_at.get(about, -FORBIDDEN_SECONDS) >= FORBIDDEN_SECONDS:
            self._complained_at[about] = now
            _log.warning("Kubernetes Events: %s", text)
