"""Rows of pulls after their correlation with pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pulltrace.aggregator.rows.correlation import correlate
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.pulls.model import Pull
from pulltrace.pulls.view import PullView
from tests.aggregator.builders import pending_images
from tests.builders.pods import NODE


def rows(
    pulls: Sequence[Pull], pods: Sequence[PodRecord] = (), before: Mapping[str, PullView] | None = None
) -> dict[str, PullView]:
    return correlate(NODE, pulls, pending_images(*pods), before or {})


def row(one: Pull, *pods: PodRecord, before: Mapping[str, PullView] | None = None) -> PullView:
    [found] = rows([one], pods, before).values()
    return found


def waiting(view: PullView) -> list[tuple[str, str]]:
    return [(each.pod, each.container) for each in view.waiting]
