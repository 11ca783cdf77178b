"""Version 1 of the wire format (docs/http-api.md): rows and their changes as JSON.

Pure functions of their arguments. What was decided before (by the tracker, the correlation and `coalescing`) is
written down here and nothing is decided again, but for two promises of the format: a percentage says 100 only
when every byte has arrived, and a number that makes no sense never becomes an error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from pulltrace.pulls.failures import Failure, advice
from pulltrace.pulls.formatting import rfc3339
from pulltrace.pulls.model import Layer, LayerState, Phase, Pull
from pulltrace.pulls.view import PullView, WaitingContainer, Workload
from pulltrace.server.json.stream_events import LayerEvent, PodEvent, PullEvent

SCHEMA_VERSION = "v1"

DIGEST_LENGTH = len("sha256:") + 12

Json = dict[str, Any]


def percent(part: int, whole: int) -> float:
    """From 0 to 100 with one decimal; 100 only when nothing is missing."""
    if part >= whole:
        return 100.0
    return max(0.0, min(99.9, round(100 * part / whole, 1)))


def _pull_percent(it: Pull) -> float:
    """100 for a completed pull, even one so fast that its size was never seen; never for one that failed without a byte."""
    if it.phase is Phase.COMPLETED:
        return 100.0
    if it.total_bytes is None or (it.phase.ended and not it.total_bytes):
        return 0.0
    return percent(it.downloaded_bytes, it.total_bytes)


def pull(view: PullView, to_wall: float = 0.0) -> Json:
    """A row with everything that is known of it, its layers included.

    `to_wall` makes Unix seconds of the moments of this process's monotonic clock.
    """
    written = pull_without_layers(view, to_wall)
    written["layers"] = [] if view.pull.phase.ended else [layer(view.id, each) for each in view.pull.layers]
    return written


def pull_without_layers(view: PullView, to_wall: float = 0.0) -> Json:
    it = view.pull
    total = it.total_bytes or 0
    written: Json = {
        "id": it.id,
        "nodeName": view.node,
        "imageRef": view.image or (it.repositories[0] if len(it.repositories) == 1 else ""),
        "nameKnown": view.image is not None,
        "imageCandidates": view.candidates,
        "repositories": it.repositories,
        "phase": it.phase.value,
        "stale": view.stale,
        "totalKnown": it.total_bytes is not None,
        "totalBytes": total,
        "downloadedBytes": it.downloaded_bytes,
        "cachedBytes": it.cached_bytes,
        "lazyBytes": it.lazy_bytes,
        "unpackedBytes": it.unpacked_bytes,
        "bytesPerSec": round(it.bytes_per_second) if math.isfinite(it.bytes_per_second) else 0,
        "percent": _pull_percent(it),
        "layerCount": it.layer_count,
        "layersDone": it.layers_done,
        "startedAt": rfc3339(it.started_at),
        "progressedAt": rfc3339(it.progressed_at),
        "pods": [_waiting(each) for each in view.waiting],
    }
    if it.time_left is not None and math.isfinite(it.time_left.likely):
        written["etaSeconds"] = max(0, math.ceil(it.time_left.likely))
        if it.time_left.bounds is not None:
            written["etaRangeSeconds"] = [math.ceil(bound) for bound in it.time_left.bounds]
    if it.ended_at is not None:
        written["completedAt"] = rfc3339(it.ended_at)
    if view.failure is not None:
        written["error"] = view.failure.message
        written["failure"] = failure(view.failure, to_wall)
    elif it.error is not None:
        written["error"] = it.error
    if not view.reached_containerd:
        written["reachedContainerd"] = False
    if it.target_digest is not None:
        written["digest"] = it.target_digest
    return written


def _waiting(it: WaitingContainer) -> Json:
    written: Json = {"namespace": it.namespace, "podName": it.pod, "container": it.container, "image": it.image}
    if it.workload is not None:
        written["workload"] = workload(it.workload)
    return written


def workload(it: Workload) -> Json:
    return {"namespace": it.namespace, "kind": it.kind, "name": it.name}


def failure(it: Failure, to_wall: float) -> Json:
    written: Json = {
        "reason": it.reason.value,
        "message": it.message,
        "advice": advice(it.reason),
        "tries": it.tries,
    }
    if it.retry_at is not None:
        written["retryAt"] = rfc3339(it.retry_at + to_wall)
    return written


def layer(pull_id: str, it: Layer) -> Json:
    return {
        "pullId": pull_id,
        "digest": it.digest[:DIGEST_LENGTH],
        "state": it.state.value,
        "totalBytes": it.size_bytes,
        "downloadedBytes": it.downloaded_bytes,
        "percent": 100.0
        if it.state in {LayerState.CACHED, LayerState.DONE}
        else percent(it.downloaded_bytes, it.size_bytes),
        "totalKnown": True,
    }


def document(
    rows: Mapping[str, Iterable[bytes]],
    *,
    synced: bool,
    now: float,
    kind: str | None = None,
    next_cursor: str | None = None,
) -> bytes:
    """Lists of encoded rows, each under its name: the answer to a GET, and with a `kind` the data of an event."""
    written = head(now, kind)
    written["synced"] = synced
    # NOTE: joined by hand, at once. An encoder asks for twice the memory again and again until some MiB are enough (and
    # so does `%`), and what lies between what it gives back keeps the process large.
    parts = [orjson.dumps(written)[:-1]]
    for name, texts in rows.items():
        parts.append(b',"%s":[' % name.encode())
        for number, text in enumerate(texts):
            parts += (b",", text) if number else (text,)
        parts.append(b"]")
    if next_cursor is not None:
        parts.append(b',"nextCursor":%s' % orjson.dumps(next_cursor))
    return b"".join((*parts, b"}"))


def single(name: str, encoded_row: bytes, *, synced: bool, now: float) -> bytes:
    """One row, as the answer to a GET."""
    return orjson.dumps({**head(now), "synced": synced, name: orjson.Fragment(encoded_row)})


def pull_event(event: PullEvent, encoded_pull: bytes, now: float) -> bytes:
    """The data of a `pull.…` event."""
    written = head(now, event.kind.value)
    return orjson.dumps({**written, "nodeName": event.view.node, "pull": orjson.Fragment(encoded_pull)})


def pod_event(event: PodEvent, encoded_pod: bytes, now: float) -> bytes:
    """The data of a `pod.…` event."""
    written = head(now, event.kind.value)
    return orjson.dumps({**written, "nodeName": event.view.node, "pod": orjson.Fragment(encoded_pod)})


def layer_event(event: LayerEvent, now: float, to_wall: float = 0.0) -> bytes:
    """The data of a `layer.…` event."""
    written = head(now, event.kind.value)
    written["nodeName"] = event.view.node
    written["pull"] = pull_without_layers(event.view, to_wall)
    written["layer"] = layer(event.view.id, event.layer)
    return orjson.dumps(written)


def head(now: float, kind: str | None = None) -> Json:
    """How every document and event begins."""
    written: Json = {"schemaVersion": SCHEMA_VERSION, "timestamp": rfc3339(now)}
    if kind is not None:
        written["type"] = kind
    return written


def sse(data: bytes, *, name: bytes | None = None, event_id: bytes | None = None) -> bytes:
    """One server-sent event. JSON as orjson writes it has no line breaks, so `data` is one line."""
    head = b"" if name is None else b"event: %s\n" % name
    if event_id is not None:
        head += b"id: %s\n" % event_id
    return b"".join((head, b"data: ", data, b"\n\n"))
