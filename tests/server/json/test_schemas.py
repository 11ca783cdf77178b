"""The types of `schemas` are exactly what the serializers write, in every row, document and event."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, NotRequired, TypedDict

import jsonschema_rs
import orjson
import pytest

from pulltrace.pulls.failures import Failure, Reason
from pulltrace.pulls.model import LayerState, Phase
from pulltrace.pulls.time_left import TimeLeft
from pulltrace.pulls.view import (
    Ahead,
    AnyChange,
    ImageNeed,
    NeedState,
    PodChange,
    PodState,
    WaitingContainer,
)
from pulltrace.pulls.workload_summary import summarize
from pulltrace.server.api.openapi import events_schema, openapi
from pulltrace.server.json import json_schema, schemas, serializers
from pulltrace.server.json.clock import Clocks
from pulltrace.server.json.row_cache import RowCache
from pulltrace.server.json.stream_events import coalesce
from pulltrace.server.sse.subscriber_group import EventEncoder
from tests.builders.pulls import layer
from tests.builders.views import MONOTONIC, NEED, NOW, WEB, estimated_pod, node_view, pull_changes, pull_view

FAILURE = Failure(Reason.NOT_FOUND, "not found", retry_at=MONOTONIC)
LAYER = layer("a", LayerState.DOWNLOADING, 5)
FULL_NEED = replace(NEED, failure=FAILURE, behind=(Ahead("redis:8", "00000000000a"),))
FULL_PULL = pull_view(
    waiting=(WaitingContainer("shop", "web-1", "nginx", "nginx:1.29", WEB),),
    failure=FAILURE,
    reached_containerd=False,
    layers=(LAYER,),
    time_left=TimeLeft(5.0, 3.0, 9.0),
    ended_at=NOW,
    target_digest="sha256:d",
)
FULL_POD = estimated_pod(needs=(FULL_NEED,), more_needs=3, ended_at=MONOTONIC)
FULL_NODE = node_view(bytes_per_second=1.0, pulling=1, trouble="trouble")
[FULL_WORKLOAD] = summarize([FULL_POD], MONOTONIC)
LEAST_NEED = ImageNeed("nginx", "main", "nginx:1.29", NeedState.NEEDED)
[LEAST_WORKLOAD] = summarize([estimated_pod(state=PodState.READY)], MONOTONIC)

LEAST_AND_MOST: dict[str, tuple[Any, Any]] = {
    "Workload": (serializers.workload(WEB), serializers.workload(WEB)),
    "WaitingContainer": (
        serializers.pull(pull_view(waiting=(WaitingContainer("a", "b", "c", "d"),)))["pods"][0],
        serializers.pull(FULL_PULL)["pods"][0],
    ),
    "Failure": (serializers.failure(replace(FAILURE, retry_at=None), 0.0), serializers.failure(FAILURE, 0.0)),
    "Layer": (serializers.layer("0", LAYER), serializers.layer("0", LAYER)),
    "Pull": (serializers.pull(pull_view(), layers=False), serializers.pull(FULL_PULL)),
    "Need": (
        serializers.pod(estimated_pod(needs=(LEAST_NEED,)), 0.0)["images"][0],
        serializers.pod(FULL_POD, 0.0)["images"][0],
    ),
    "Ahead": (
        serializers.pod(estimated_pod(needs=(replace(NEED, behind=(Ahead("x"),)),)), 0.0)["images"][0]["behind"][0],
        serializers.pod(FULL_POD, 0.0)["images"][0]["behind"][0],
    ),
    "Pod": (serializers.pod(estimated_pod(left=None, waiting_since=None), 0.0), serializers.pod(FULL_POD, 0.0)),
    "Node": (serializers.node(replace(FULL_NODE, error=None), 0.0), serializers.node(FULL_NODE, 0.0)),
    "WorkloadSummary": (serializers.summary(LEAST_WORKLOAD, 0.0), serializers.summary(FULL_WORKLOAD, 0.0)),
}


ROW_SCHEMAS = json_schema.object_schemas(schemas.ROWS)


@pytest.mark.parametrize("name", ROW_SCHEMAS)
def test_schema_has_the_fields_that_are_written(name: str) -> None:
    """A row of unknown values has the required fields; a row of known values has every field."""
    least, most = LEAST_AND_MOST[name]

    assert set(ROW_SCHEMAS[name]["required"]) == set(least)
    assert set(ROW_SCHEMAS[name]["properties"]) == set(most)


def validator(name: str) -> jsonschema_rs.Validator:
    schema = {
        "$ref": f"{json_schema.PREFIX}{name}",
        "components": {"schemas": closed(openapi()["components"]["schemas"])},
    }
    return jsonschema_rs.validator_for(schema, validate_formats=True)


def closed(objects: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas without room for fields that they do not declare."""
    return {name: {**schema, "additionalProperties": False} for name, schema in objects.items()}


@pytest.mark.parametrize("name", ROW_SCHEMAS)
def test_rows_fit_their_schemas(name: str) -> None:
    """Values have the types that the schemas declare, and no row has a field that they do not declare."""
    for row in LEAST_AND_MOST[name]:
        validator(name).validate(orjson.loads(orjson.dumps(row)))


def test_events_fit_their_schema() -> None:
    """Every kind of event, the snapshot and the first event of a resumed stream match docs/events.schema.json."""
    sent: list[AnyChange] = [
        *pull_changes(
            None,
            pull_view(),
            FULL_PULL,
            pull_view(layers=(layer("a", LayerState.DOWNLOADING, 6),)),
            pull_view(phase=Phase.COMPLETED),
            None,
        ),
        PodChange(9, None, FULL_POD),
        PodChange(10, FULL_POD, estimated_pod(state=PodState.READY)),
    ]
    clocks = Clocks(lambda: NOW, lambda: MONOTONIC)
    frames = EventEncoder(RowCache(clocks), clocks)
    texts = [frames.encode(event) for change in sent for event in coalesce([change], layers=True)]
    datas = [text.decode().partition("data: ")[2] for text in texts]
    rows = {"pulls": [serializers.encode(FULL_PULL, 0.0)], "pods": [serializers.encode(FULL_POD, 0.0)]}
    datas.append(serializers.document(rows, synced=True, now=NOW, kind="snapshot").decode())
    datas.append(serializers.document({}, synced=True, now=NOW, kind="resumed").decode())
    declared = events_schema()
    schema = jsonschema_rs.validator_for(
        {**declared, "$defs": closed(declared["$defs"])},
        validate_formats=True,
    )
    for data in datas:
        schema.validate(orjson.loads(data))

    kinds = {orjson.loads(data)["type"] for data in datas}
    assert {"pull.started", "pull.removed", "layer.progress", "pod.waiting", "pod.ready", "snapshot"} <= kinds


def test_left_is_a_range() -> None:
    """A range may be open at its end."""
    written = serializers.pod(estimated_pod(left=TimeLeft(5, 1, None)), 0.0)

    assert written["etaRangeSeconds"] == (1, None)
    validator("Pod").validate(orjson.loads(orjson.dumps(written)))


class Item(TypedDict):
    """A field of each kind."""

    kind: Literal["item"]
    text: str
    next: NotRequired[Item]


def test_a_type_without_a_schema_is_refused() -> None:
    """A new kind of field fails at once instead of being described wrongly."""
    assert json_schema.object_schemas([Item])["Item"] == {
        "type": "object",
        "properties": {
            "kind": {"const": "item"},
            "text": {"type": "string"},
            "next": {"$ref": "#/components/schemas/Item"},
        },
        "required": ["kind", "text"],
    }

    class Bad(TypedDict):
        times: dict[str, float]

    with pytest.raises((KeyError, TypeError)):
        json_schema.object_schemas([Bad])
