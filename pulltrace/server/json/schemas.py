"""What the JSON of version 1 looks like, as JSON Schemas: of rows, documents and events. Pure.

One source for the OpenAPI document (`openapi`) and for docs/events.schema.json. What the fields mean is in
docs/http-api.md; that these are exactly the fields that are written is tested against `wire`. Fields may be added at any
time, so further ones are allowed everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeAlias

from pulltrace.pulls.failures import Reason
from pulltrace.pulls.model import LayerState, Phase
from pulltrace.pulls.view import NeedState, PodState
from pulltrace.server.json.stream_events import LayerKind, PodKind, PullKind

Schema: TypeAlias = dict[str, Any]

PREFIX = "#/components/schemas/"

_TEXT: Schema = {"type": "string"}
_SWITCH: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SECONDS: Schema = {"type": "number", "minimum": 0}
_PERCENT: Schema = {"type": "number", "minimum": 0, "maximum": 100}
_TIME: Schema = {"type": "string", "format": "date-time"}
_VERSION: Schema = {"const": "v1"}
_RANGE: Schema = {
    "type": "array",
    "prefixItems": [_COUNT, {"type": ["integer", "null"], "minimum": 0}],
    "minItems": 2,
    "maxItems": 2,
    "description": "Soonest and latest; the latest is null where nobody can say.",
}


def ref(name: str) -> Schema:
    return {"$ref": PREFIX + name}


def listed(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def words(values: Iterable[str] | type[StrEnum]) -> Schema:
    return {"type": "string", "enum": [str(value) for value in values]}


def an_object(required: Schema, optional: Schema | None = None) -> Schema:
    """An object whose `required` fields are always there."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def document(**lists: Schema) -> Schema:
    """An answer that is a list, or one row."""
    head = {"schemaVersion": _VERSION, "timestamp": _TIME, "synced": _SWITCH}
    return an_object({**head, **lists}, {"nextCursor": _TEXT})


def _event(kinds: type[StrEnum], **rows: Schema) -> Schema:
    head = {"schemaVersion": _VERSION, "timestamp": _TIME, "type": words(kinds), "nodeName": _TEXT}
    return an_object({**head, **rows})


_ETA = {"etaSeconds": _COUNT, "etaRangeSeconds": _RANGE}

_PULL_REQUIRED: Schema = {
    "id": _TEXT,
    "nodeName": _TEXT,
    "imageRef": _TEXT,
    "nameKnown": _SWITCH,
    "imageCandidates": listed(_TEXT),
    "repositories": listed(_TEXT),
    "phase": words(Phase),
    "stale": _SWITCH,
    "totalKnown": _SWITCH,
    "totalBytes": _COUNT,
    "downloadedBytes": _COUNT,
    "cachedBytes": _COUNT,
    "lazyBytes": _COUNT,
    "unpackedBytes": _COUNT,
    "bytesPerSec": _COUNT,
    "percent": _PERCENT,
    "layerCount": _COUNT,
    "layersDone": _COUNT,
    "startedAt": _TIME,
    "progressedAt": _TIME,
    "pods": listed(ref("WaitingContainer")),
}
_PULL_OPTIONAL: Schema = {
    **_ETA,
    "completedAt": _TIME,
    "error": _TEXT,
    "failure": ref("Failure"),
    "reachedContainerd": {"const": False},
    "digest": _TEXT,
    "layers": listed(ref("Layer")),
}

ROWS: Schema = {
    "Workload": an_object({"namespace": _TEXT, "kind": _TEXT, "name": _TEXT}),
    "WaitingContainer": an_object(
        {"namespace": _TEXT, "podName": _TEXT, "container": _TEXT, "image": _TEXT}, {"workload": ref("Workload")}
    ),
    "Failure": an_object(
        {"reason": words(Reason), "message": _TEXT, "advice": _TEXT, "tries": _COUNT}, {"retryAt": _TIME}
    ),
    "Layer": an_object(
        {
            "pullId": _TEXT,
            "digest": _TEXT,
            "state": words(LayerState),
            "totalBytes": _COUNT,
            "downloadedBytes": _COUNT,
            "percent": _PERCENT,
            "totalKnown": _SWITCH,
        }
    ),
    "Pull": an_object(_PULL_REQUIRED, _PULL_OPTIONAL),
    "Need": an_object(
        {
            "container": _TEXT,
            "role": _TEXT,
            "image": _TEXT,
            "state": words(NeedState),
            "behind": listed(ref("Ahead")),
        },
        {"pullId": _TEXT, "failure": ref("Failure"), **_ETA},
    ),
    "Ahead": an_object({"image": _TEXT}, {"pullId": _TEXT}),
    "Pod": an_object(
        {
            "namespace": _TEXT,
            "podName": _TEXT,
            "uid": _TEXT,
            "nodeName": _TEXT,
            "workload": ref("Workload"),
            "state": words(PodState),
            "estimatedAt": _TIME,
            "images": listed(ref("Need")),
        },
        {"moreImages": _COUNT, "waitingSince": _TIME, "readyAt": _TIME, "endedAt": _TIME, **_ETA},
    ),
    "Node": an_object(
        {
            "nodeName": _TEXT,
            "lastReportSeconds": _SECONDS,
            "stale": _SWITCH,
            "bytesPerSec": _COUNT,
            "pulling": _COUNT,
            "queued": _COUNT,
            "failing": _COUNT,
            "parallel": _SWITCH,
        },
        {"trouble": _TEXT},
    ),
    "WorkloadSummary": an_object(
        {
            "workload": ref("Workload"),
            "pods": _COUNT,
            "ready": _COUNT,
            "failing": _COUNT,
            "images": listed(_TEXT),
        },
        {"readyAt": _TIME, "slowestNode": _TEXT, **_ETA},
    ),
}

DOCUMENTS: Schema = {
    "PullList": document(pulls=listed(ref("Pull"))),
    "PullDocument": document(pull=ref("Pull")),
    "PodList": document(pods=listed(ref("Pod"))),
    "PodDocument": document(pod=ref("Pod")),
    "WorkloadList": document(workloads=listed(ref("WorkloadSummary"))),
    "NodeList": document(nodes=listed(ref("Node"))),
    "WaitResult": an_object(
        {"schemaVersion": _VERSION, "timestamp": _TIME, "ready": _SWITCH, "timedOut": _SWITCH},
        {"pod": ref("Pod"), "workload": ref("WorkloadSummary")},
    ),
    "Problem": an_object(
        {"type": _TEXT, "title": _TEXT, "status": {"type": "integer", "minimum": 400, "maximum": 599}},
        {"detail": _TEXT, "parameter": _TEXT, "value": _TEXT, "allowed": listed(_TEXT)},
    ),
}

EVENTS: Schema = {
    "Snapshot": an_object(
        {
            "schemaVersion": _VERSION,
            "timestamp": _TIME,
            "type": {"const": "snapshot"},
            "synced": _SWITCH,
            "pulls": listed(ref("Pull")),
        },
        {"pods": listed(ref("Pod"))},
    ),
    "Resumed": an_object(
        {"schemaVersion": _VERSION, "timestamp": _TIME, "type": {"const": "resumed"}, "synced": _SWITCH}
    ),
    "PullEvent": _event(PullKind, pull=ref("Pull")),
    "PodEvent": _event(PodKind, pod=ref("Pod")),
    "LayerEvent": _event(LayerKind, pull=ref("Pull"), layer=ref("Layer")),
}
