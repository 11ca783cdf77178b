"""Rows, documents and events as JSON of version 1 (`schemas`). Pure.

A percentage is 100 only when no byte is missing. A number that is not finite never becomes an error. A row's text is
sent until the row changes, so `etaSeconds` counts from `estimatedAt`; `readyAt` is the same moment as a time.
`wall_offset` converts a monotonic time of this process to Unix seconds when it is added.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from pulltrace.pulls import failures, model, view, workload_summary
from pulltrace.pulls.formatting import rfc3339
from pulltrace.pulls.model import LayerState, Phase
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import PodView, PullView, Row
from pulltrace.server.json import schemas
from pulltrace.server.json.stream_events import LayerEvent, PodEvent, PullEvent

DIGEST_LENGTH = len("sha256:") + 12


def encode(row: Row, wall_offset: float) -> bytes:
    """Return a row as JSON text."""
    return orjson.dumps(pod(row, wall_offset) if isinstance(row, PodView) else pull(row, wall_offset))


def pull(row: PullView, wall_offset: float = 0.0, *, layers: bool = True) -> schemas.Pull:
    """Return all fields of a pull; an ended pull lists no layers."""
    it = row.pull
    written: schemas.Pull = {
        "id": it.id,
        "nodeName": row.node,
        "imageRef": row.image or (it.repositories[0] if len(it.repositories) == 1 else ""),
        "nameKnown": row.image is not None,
        "imageCandidates": row.candidates,
        "repositories": it.repositories,
        "phase": it.phase,
        "stale": row.stale,
        "totalKnown": it.total_bytes is not None,
        "totalBytes": it.total_bytes or 0,
        "downloadedBytes": it.downloaded_bytes,
        "cachedBytes": it.cached_bytes,
        "lazyBytes": it.lazy_bytes,
        "unpackedBytes": it.unpacked_bytes,
        "bytesPerSec": _rate(it.bytes_per_second),
        "percent": _pull_percent(it),
        "layerCount": it.layer_count,
        "layersDone": it.layers_done,
        "startedAt": rfc3339(it.started_at),
        "progressedAt": rfc3339(it.progressed_at),
        "pods": [_waiting_container(each) for each in row.waiting],
    }
    if it.time_left is not None and math.isfinite(it.time_left.likely):
        written["etaSeconds"] = max(0, math.ceil(it.time_left.likely))
        if it.time_left.bounds is not None:
            soonest, latest = it.time_left.bounds
            written["etaRangeSeconds"] = (math.ceil(soonest), math.ceil(latest))
    if it.ended_at is not None:
        written["completedAt"] = rfc3339(it.ended_at)
    if row.failure is not None:
        written["error"] = row.failure.message
        written["failure"] = failure(row.failure, wall_offset)
    elif it.error is not None:
        written["error"] = it.error
    if not row.reached_containerd:
        written["reachedContainerd"] = False
    if it.target_digest is not None:
        written["digest"] = it.target_digest
    if layers:
        written["layers"] = [] if it.phase.ended else [layer(it.id, each) for each in it.layers]
    return written


def layer(pull_id: str, it: model.Layer) -> schemas.Layer:
    complete = it.state in {LayerState.CACHED, LayerState.DONE}
    return {
        "pullId": pull_id,
        "digest": it.digest[:DIGEST_LENGTH],
        "state": it.state,
        "totalBytes": it.size_bytes,
        "downloadedBytes": it.downloaded_bytes,
        "percent": 100.0 if complete else percent(it.downloaded_bytes, it.size_bytes),
        "totalKnown": True,
    }


def pod(row: PodView, wall_offset: float) -> schemas.Pod:
    estimated_at = row.estimated_at + wall_offset
    written: schemas.Pod = {
        "namespace": row.namespace,
        "podName": row.name,
        "uid": row.uid,
        "nodeName": row.node,
        "workload": workload(row.workload),
        "state": row.state,
        "estimatedAt": rfc3339(estimated_at),
        "images": [_need(need, wall_offset) for need in row.needs],
    }
    if row.more_needs:
        written["moreImages"] = row.more_needs
    if row.waiting_since is not None:
        written["waitingSince"] = rfc3339(row.waiting_since)
    if row.left is not None:
        if (eta := _eta(row.left)) is not None:
            written["etaSeconds"], written["etaRangeSeconds"] = eta
        written["readyAt"] = rfc3339(estimated_at + row.left.likely)
    if row.ended_at is not None:
        written["endedAt"] = rfc3339(row.ended_at + wall_offset)
    return written


def node(row: view.NodeView, monotonic_now: float) -> schemas.Node:
    written: schemas.Node = {
        "nodeName": row.name,
        "lastReportSeconds": round(max(0.0, monotonic_now - row.reported_at), 1),
        "stale": row.stale,
        "bytesPerSec": _rate(row.bytes_per_second),
        "pulling": row.pulling,
        "queued": row.queued,
        "failing": row.failing,
        "parallel": row.parallel,
    }
    if row.error is not None:
        written["trouble"] = row.error
    return written


def summary(it: workload_summary.WorkloadSummary, now: float) -> schemas.WorkloadSummary:
    """Return a workload that was summarized at `now`, in Unix seconds."""
    written: schemas.WorkloadSummary = {
        "workload": workload(it.workload),
        "pods": it.pods,
        "ready": it.ready,
        "failing": it.failing,
        "images": it.images,
    }
    if it.left is not None:
        if (eta := _eta(it.left)) is not None:
            written["etaSeconds"], written["etaRangeSeconds"] = eta
        written["readyAt"] = rfc3339(now + it.left.likely)
    if it.slowest_node is not None:
        written["slowestNode"] = it.slowest_node
    return written


def workload(it: view.Workload) -> schemas.Workload:
    return {"namespace": it.namespace, "kind": it.kind, "name": it.name}


def failure(it: failures.Failure, wall_offset: float) -> schemas.Failure:
    written: schemas.Failure = {
        "reason": it.reason,
        "message": it.message,
        "advice": failures.advice(it.reason),
        "tries": it.tries,
    }
    if it.retry_at is not None:
        written["retryAt"] = rfc3339(it.retry_at + wall_offset)
    return written


def percent(part: int, whole: int) -> float:
    """Return a percentage with one decimal; 100 only when nothing is missing."""
    if part >= whole:
        return 100.0
    return max(0.0, min(99.9, round(100 * part / whole, 1)))


def document(
    rows: Mapping[str, Iterable[bytes]],
    *,
    synced: bool,
    now: float,
    kind: str | None = None,
    next_cursor: str | None = None,
) -> bytes:
    """Return lists of encoded rows by their names: the body of an answer, or the data of an event of this kind."""
    # NOTE: joined by hand. An encoder doubles its buffer until some MiB are enough (so does `%`), and the process
    # stays large, because the C library keeps what lies between the buffers.
    begin: dict[str, Any] = {**head(now)} if kind is None else {**head(now), "type": kind}
    parts = [orjson.dumps({**begin, "synced": synced})[:-1]]
    for name, texts in rows.items():
        parts.append(b',"%s":[' % name.encode())
        for number, text in enumerate(texts):
            parts += (b",", text) if number else (text,)
        parts.append(b"]")
    if next_cursor is not None:
        parts.append(b',"nextCursor":%s' % orjson.dumps(next_cursor))
    return b"".join((*parts, b"}"))


def single(name: str, encoded_row: bytes, *, synced: bool, now: float) -> bytes:
    """Return one encoded row as the body of an answer."""
    return orjson.dumps({**head(now), "synced": synced, name: orjson.Fragment(encoded_row)})


def pull_event(event: PullEvent, encoded_pull: bytes, now: float) -> bytes:
    """Return the data of a `pull.…` event."""
    begin = {**head(now), "type": event.kind, "nodeName": event.view.node}
    return orjson.dumps({**begin, "pull": orjson.Fragment(encoded_pull)})


def pod_event(event: PodEvent, encoded_pod: bytes, now: float) -> bytes:
    """Return the data of a `pod.…` event."""
    begin = {**head(now), "type": event.kind, "nodeName": event.view.node}
    return orjson.dumps({**begin, "pod": orjson.Fragment(encoded_pod)})


def layer_event(event: LayerEvent, now: float, wall_offset: float = 0.0) -> bytes:
    """Return the data of a `layer.…` event."""
    written: schemas.LayerEvent = {
        **head(now),
        "type": event.kind,
        "nodeName": event.view.node,
        "pull": pull(event.view, wall_offset, layers=False),
        "layer": layer(event.view.id, event.layer),
    }
    return orjson.dumps(written)


def head(now: float) -> schemas.Head:
    """Return the first fields of a document or event."""
    return {"schemaVersion": "v1", "timestamp": rfc3339(now)}


def sse(data: bytes, *, name: bytes | None = None, event_id: bytes | None = None) -> bytes:
    """Return one server-sent event. `data` is one line, since orjson writes no line breaks."""
    lines = b"" if name is None else b"event: %s\n" % name
    if event_id is not None:
        lines += b"id: %s\n" % event_id
    return b"".join((lines, b"data: ", data, b"\n\n"))


def _pull_percent(it: model.Pull) -> float:
    """Return 100 for a completed pull even if its size is unknown, and 0 for one that failed without a byte."""
    if it.phase is Phase.COMPLETED:
        return 100.0
    if it.total_bytes is None or (it.phase.ended and not it.total_bytes):
        return 0.0
    return percent(it.downloaded_bytes, it.total_bytes)


def _waiting_container(it: view.WaitingContainer) -> schemas.WaitingContainer:
    written: schemas.WaitingContainer = {
        "namespace": it.namespace,
        "podName": it.pod,
        "container": it.container,
        "image": it.image,
    }
    if it.workload is not None:
        written["workload"] = workload(it.workload)
    return written


def _need(it: view.ImageNeed, wall_offset: float) -> schemas.Need:
    written: schemas.Need = {
        "container": it.container,
        "role": it.role,
        "image": it.image,
        "state": it.state,
        "behind": [_ahead(each) for each in it.behind],
    }
    if it.pull_id is not None:
        written["pullId"] = it.pull_id
    if it.left is not None and (eta := _eta(it.left)) is not None:
        written["etaSeconds"], written["etaRangeSeconds"] = eta
    if it.failure is not None:
        written["failure"] = failure(it.failure, wall_offset)
    return written


def _ahead(it: view.Ahead) -> schemas.Ahead:
    return {"image": it.image} if it.pull_id is None else {"image": it.image, "pullId": it.pull_id}


def _eta(left: TimeLeft) -> tuple[int, schemas.EtaRange] | None:
    if not math.isfinite(left.likely):
        return None
    latest = None if left.latest is None or not math.isfinite(left.latest) else math.ceil(max(0.0, left.latest))
    return math.ceil(max(0.0, left.likely)), (math.floor(max(0.0, left.soonest)), latest)


def _rate(bytes_per_second: float) -> int:
    return round(bytes_per_second) if math.isfinite(bytes_per_second) else 0
