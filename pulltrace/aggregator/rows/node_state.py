"""One node: its last report, its ended pulls, and the rows built from them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pulltrace.aggregator.rows.row_ids import row_id
from pulltrace.kube.resources.leases import LeaseRecord
from pulltrace.pulls.model import NodeReport, Phase, Pull
from pulltrace.pulls.view import NodeView, PodView, PullView

DEFAULT_DURATION_SECONDS = 40
"""Duration of a Lease that does not have one."""
MAX_HISTORY_PULLS = 500
"""Ended pulls kept for each node."""


@dataclass(frozen=True, slots=True)
class NodeRows:
    """The rows of one node at one moment."""

    pulls: dict[str, PullView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    slots: int = 1
    """The most pods for which the kubelet has been seen to pull at once."""
    queued: int = 0
    failing: int = 0
    changes_at: float = math.inf
    """When time alone changes the rows, on the monotonic clock."""


@dataclass(slots=True)
class NodeState:
    """A node with an agent, or one on which pods wait."""

    name: str
    history_seconds: float
    lease: LeaseRecord | None = None
    """None without an agent."""
    report: NodeReport = field(default_factory=NodeReport)
    last_report_at: float = 0.0
    """When the Lease last changed, on the aggregator's monotonic clock."""
    gone: bool = False
    history: dict[str, tuple[Pull, float]] = field(default_factory=dict)
    """Ended pulls, each with the monotonic time of its deletion."""
    rows: NodeRows = field(default_factory=NodeRows)

    @property
    def expires_at(self) -> float:
        """The agent is stale after this time, unless it reports before."""
        return self.last_report_at + ((self.lease and self.lease.duration_seconds) or DEFAULT_DURATION_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether the node has an agent, which may be stale."""
        return self.lease is not None and not self.gone

    def stale(self, now: float) -> bool:
        """Return whether the agent's Lease has expired."""
        return now > self.expires_at

    def apply_report(self, lease: LeaseRecord, report: NodeReport, now: float) -> tuple[Pull, ...]:
        """Apply a report, with the ids of rows instead of the agent's. Return the pulls whose end is new."""
        running = tuple(replace(pull, id=row_id(self.name, pull.id)) for pull in report.pulls)
        recent = [(row_id(self.name, pull.id), pull) for pull in report.recent]
        if not report.omitted_pulls:  # an agent without memory does not report how its pulls ended
            reported = {pull.id for pull in running} | {key for key, _ in recent}
            self._close((pull for pull in self.report.pulls if pull.id not in reported), None, now)
        self.lease, self.report, self.last_report_at, self.gone = lease, replace(report, pulls=running), now, False
        for pull in running:  # the agent overrides what was closed here
            self.history.pop(pull.id, None)
        ended = []
        for key, pull in recent:
            seen, _ = self.history.get(key, (None, 0.0))
            if (seen is None or (seen.phase is Phase.UNKNOWN and pull.phase is not Phase.UNKNOWN)) and self._keep(
                key, pull, now
            ):
                ended.append(pull)
        while len(self.history) > MAX_HISTORY_PULLS:
            self.history.pop(min(self.history, key=lambda key: self.history[key][1]))
        return tuple(ended)

    def mark_gone(self, now: float) -> None:
        """Close all pulls: the Lease was deleted."""
        self._close(self.report.pulls, "the node is gone", now)
        self.report, self.gone = NodeReport(), True

    def expire(self, now: float) -> None:
        """Delete ended pulls that are too old."""
        for key in [key for key, (_, until) in self.history.items() if until <= now]:
            del self.history[key]

    def pulls(self) -> list[Pull]:
        """Return the running pulls, then the ended ones."""
        running = [pull for pull in self.report.pulls if pull.id not in self.history]
        return [*running, *(pull for pull, _ in self.history.values())]

    def completed_pulls(self, image: str) -> list[Pull]:
        """Return the completed pulls of an image, by its full name."""
        return [pull for pull, _ in self.history.values() if pull.phase is Phase.COMPLETED and image in pull.names]

    def view(self, now: float) -> NodeView:
        stale = self.stale(now)
        return NodeView(
            name=self.name,
            reported_at=self.last_report_at,
            stale=stale,
            bytes_per_second=0.0 if stale else sum(pull.bytes_per_second for pull in self.report.pulls),
            pulling=len(self.report.pulls) + self.report.omitted_pulls,
            queued=self.rows.queued,
            failing=self.rows.failing,
            parallel=self.rows.slots > 1,
            error=self.report.error,
        )

    def _keep(self, key: str, pull: Pull, now: float) -> bool:
        """Keep an ended pull for the rest of the history time, by the clock of its node."""
        renewed_at = (self.lease and self.lease.renewed_at) or pull.ended_at or 0.0
        age = max(0.0, renewed_at - (pull.ended_at or renewed_at))
        if age >= self.history_seconds:
            return False
        self.history[key] = replace(pull, id=key), now + self.history_seconds - age
        return True

    def _close(self, pulls: Iterable[Pull], error: str | None, now: float) -> None:
        for pull in pulls:
            ended = replace(
                pull,
                phase=Phase.UNKNOWN,
                ended_at=pull.progressed_at,
                error=error,
                bytes_per_second=0.0,
                time_left=None,
            )
            self.history[pull.id] = ended, now + self.history_seconds
