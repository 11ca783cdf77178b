"""Writes the planned Kubernetes Events. Nothing depends on them: every failure is logged and waited out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from pulltrace.aggregator.leader.event_planner import EventPlanner
from pulltrace.kube.client.retry import FORBIDDEN_SECONDS, Backoff, Timing
from pulltrace.kube.errors import ApiError, KubeError
from pulltrace.kube.resources.event_recorder import EventRecorder, KubernetesEvent

TICK_SECONDS = 1.0
MAX_CONCURRENT = 4
LOG_AGAIN_SECONDS = 60.0
UNEXPECTED_SECONDS = 60.0
MAX_FORBIDDEN = 1000
"""Namespaces; more of them are not caused by a Role."""
TERMINATING = "it is being terminated"
"""The API server also answers 403 for a namespace that terminates."""

_log = logging.getLogger(__name__)


class EventPublisher:
    """Writes planned Events while `leading` is true."""

    def __init__(
        self,
        planner: EventPlanner,
        writer: EventRecorder,
        leading: Callable[[], bool],
        catch_up: Callable[[], None],
        timing: Timing | None = None,
    ) -> None:
        self._planner = planner
        self._writer = writer
        self._leading = leading
        self._catch_up = catch_up
        self._timing = timing or Timing()
        self._backoff = Backoff(self._timing.uniform)
        self._forbidden: dict[str, float] = {}
        """Namespaces without the permission to write, and the time of the next try."""
        self._logged_at: dict[str, float] = {}

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            pause = TICK_SECONDS
            try:
                pause = max(pause, await self._round())
            except Exception:
                _log.exception("Kubernetes Events: unexpected error; continuing in %.0f s", UNEXPECTED_SECONDS)
                pause = UNEXPECTED_SECONDS
            await self._timing.sleep(pause)

    async def _round(self) -> float:
        """Write the planned Events. Return the pause that failures require."""
        now = self._timing.monotonic()
        self._catch_up()
        self._forbidden = {namespace: until for namespace, until in self._forbidden.items() if until > now}
        events, pause = self._planner.plan(now, self._forbidden.keys()), 0.0
        while events:
            batch, events = events[:MAX_CONCURRENT], events[MAX_CONCURRENT:]
            if not pause and self._leading():
                pause = await self._write(batch)
            else:
                for event in batch:
                    self._planner.mark_unwritten(event)
        return pause

    async def _write(self, batch: Sequence[KubernetesEvent]) -> float:
        """Write some Events at once. Return the pause that failures require."""
        outcomes = await asyncio.gather(*map(self._writer.write, batch), return_exceptions=True)
        errors: list[KubeError] = []
        for event, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, ApiError) and 400 <= outcome.status < 500 and outcome.status != 429:
                self._handle_refusal(event, outcome)
            elif isinstance(outcome, KubeError):
                self._planner.mark_unwritten(event)
                errors.append(outcome)
            elif outcome is not None:
                raise outcome
        if not errors:
            self._backoff.reset()
            return 0.0
        pause = self._backoff.next(max(errors, key=_retry_after))
        self._warn("failed", f"{errors[0]}; next try in {pause:.1f} s")
        return pause

    def _handle_refusal(self, event: KubernetesEvent, error: ApiError) -> None:
        """Handle an Event that the API server refuses. It may accept others."""
        if error.status != 403:  # its namespace was deleted, or an admission rule refuses it
            subject = f"the Event {event.reason} of pod {event.namespace}/{event.pod}"
            self._warn(str(error.status), f"{subject} was refused: {error}")
            return
        self._planner.mark_unwritten(event)
        if TERMINATING not in error.reason:
            verbs = f"create and patch events in namespace {event.namespace}"
            self._warn("403", f"missing permission to {verbs}: {error}")
        if len(self._forbidden) < MAX_FORBIDDEN:
            self._forbidden[event.namespace] = self._timing.monotonic() + FORBIDDEN_SECONDS

    def _warn(self, kind: str, text: str) -> None:
        """Log a warning, each kind once a minute at most."""
        now = self._timing.monotonic()
        if now - self._logged_at.get(kind, -LOG_AGAIN_SECONDS) >= LOG_AGAIN_SECONDS:
            self._logged_at[kind] = now
            _log.warning("Kubernetes Events: %s", text)


def _retry_after(error: KubeError) -> float:
    return (error.retry_after_seconds or 0.0) if isinstance(error, ApiError) else 0.0
