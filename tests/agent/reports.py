"""Short reports for the tests of when a Lease is written."""

from __future__ import annotations

from pulltrace.pulls.model import NodeReport, Phase, Pull


def pull(number: int = 1, phase: Phase = Phase.DOWNLOADING, downloaded_bytes: int = 0) -> Pull:
    return Pull(
        id=f"{number:012x}",
        phase=phase,
        started_at=1000.0,
        progressed_at=1000.0,
        total_bytes=1000,
        downloaded_bytes=downloaded_bytes,
    )


def report(*pulls: Pull, recent: tuple[Pull, ...] = ()) -> NodeReport:
    return NodeReport(pulls=pulls, recent=recent)
