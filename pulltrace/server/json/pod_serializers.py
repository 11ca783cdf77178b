"""Version 1 of the wire format, continued: pods, nodes and workloads.

What is left of a wait is counted from `estimatedAt`: texts are written once and sent for as long as nothing changes.
`readyAt` is the same as a moment on this server's clock.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import orjson

from pulltrace.pulls.formatting import rfc3339
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import Ahead, ImageNeed, NodeView, PodView, PullView
from pulltrace.pulls.workload_summary import WorkloadSummary
from pulltrace.server.json import serializers
from pulltrace.server.json.serializers import Json

Row: TypeAlias = PullView | PodView


def encode(row: Row, to_wall: float) -> bytes:
    """A row as JSON text, to be put into documents and frames as it is."""
    return orjson.dumps(pod(row, to_wall) if isinstance(row, PodView) else serializers.pull(row, to_wall))


def pod(view: PodView, to_wall: float) -> Json:
    """`to_wall` makes Unix seconds of the moments of this process's monotonic clock."""
    estimated_at = view.estimated_at + to_wall
    written: Json = {
        "namespace": view.namespace,
        "podName": view.name,
        "uid": view.uid,
        "nodeName": view.node,
        "workload": serializers.workload(view.workload),
        "state": view.state.value,
        "estimatedAt": rfc3339(estimated_at),
        "images": [_need(need, to_wall) for need in view.needs],
    }
    if view.more_needs:
        written["moreImages"] = view.more_needs
    if view.waiting_since is not None:
        written["waitingSince"] = rfc3339(view.waiting_since)
    if view.left is not None:
        written |= _left(view.left)
        written["readyAt"] = rfc3339(estimated_at + view.left.likely)
    if view.ended_at is not None:
        written["endedAt"] = rfc3339(view.ended_at + to_wall)
    return written


def encode_node(view: NodeView, monotonic_now: float) -> bytes:
    return orjson.dumps(node(view, monotonic_now))


def encode_workload(it: WorkloadSummary, now: float) -> bytes:
    return orjson.dumps(workload(it, now))


def node(view: NodeView, monotonic_now: float) -> Json:
    written: Json = {
        "nodeName": view.name,
        "lastReportSeconds": round(max(0.0, monotonic_now - view.reported_at), 1),
        "stale": view.stale,
        "bytesPerSec": round(view.bytes_per_second) if math.isfinite(view.bytes_per_second) else 0,
        "pulling": view.pulling,
        "queued": view.queued,
        "failing": view.failing,
        "parallel": view.parallel,
    }
    if view.error is not None:
        written["trouble"] = view.error
    return written


def workload(it: WorkloadSummary, now: float) -> Json:
    """`now`: when it was summed up, in Unix seconds."""
    written: Json = {
        "workload": serializers.workload(it.workload),
        "pods": it.pods,
        "ready": it.ready,
        "failing": it.failing,
        "images": it.images,
    }
    if it.left is not None:
        written |= _left(it.left)
        written["readyAt"] = rfc3339(now + it.left.likely)
    if it.slowest_node is not None:
        written["slowestNode"] = it.slowest_node
    return written


def _need(it: ImageNeed, to_wall: float) -> Json:
    written: Json = {
        "container": it.container,
        "role": it.role,
        "image": it.image,
        "state": it.state.value,
        "behind": [_ahead(each) for each in it.behind],
    }
    if it.pull_id is not None:
        written["pullId"] = it.pull_id
    if it.left is not None:
        written |= _left(it.left)
    if it.failure is not None:
        written["failure"] = serializers.failure(it.failure, to_wall)
    return written


def _ahead(it: Ahead) -> Json:
    return {"image": it.image} if it.pull_id is None else {"image": it.image, "pullId": it.pull_id}


def _left(it: TimeLeft) -> Json:
    if not math.isfinite(it.likely):
        return {}
    latest = None if it.latest is None or not math.isfinite(it.latest) else math.ceil(max(0.0, it.latest))
    return {
        "etaSeconds": math.ceil(max(0.0, it.likely)),
        "etaRangeSeconds": [math.floor(max(0.0, it.soonest)), latest],
    }
