"""`GET /api/v1/openapi.json`: the API as an OpenAPI 3.1 document; docs/http-api.md explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import falcon.asgi
import orjson

from pulltrace import __version__
from pulltrace.server.api import resources, wait
from pulltrace.server.http.problems import CONTENT_TYPE, MAX_VALUES
from pulltrace.server.json import json_schema, paging, schemas
from pulltrace.server.json.json_schema import Schema, ref
from pulltrace.server.sse import endpoint

PATH = "/api/v1/openapi.json"

WORKLOAD_PATTERN = "^[^/]+/[^/]+/[^/]+$"
POD_PATTERN = "^[^/]+/[^/]+$"

_MEANINGS: Mapping[str, str] = {
    "node": "Rows of this node.",
    "namespace": "Pods of this namespace, and pulls that they wait for.",
    "workload": "Pods of this workload, as NAMESPACE/KIND/NAME, and pulls that they wait for.",
    "image": "Rows with this text in the name of an image.",
    "phase": "Pulls in this phase.",
    "state": "Pods in this state.",
    "limit": "Maximum number of rows; the answer has a nextCursor when more rows follow.",
    "cursor": "The nextCursor of the previous page.",
    "layers": "Send events of single layers too.",
    "pods": "Send pods beside the pulls.",
    "pod": "The pod to wait for, as NAMESPACE/NAME.",
    "timeout": "Maximum seconds to wait.",
}
_FORMS: Mapping[str, Schema] = {
    "workload": {"type": "string", "pattern": WORKLOAD_PATTERN},
    "pod": {"type": "string", "pattern": POD_PATTERN},
    "limit": {"type": "integer", "minimum": 1, "maximum": paging.MAX_LIMIT},
    "timeout": {"type": "integer", "minimum": 0, "maximum": wait.MAX_SECONDS, "default": wait.DEFAULT_SECONDS},
}
_ONCE = frozenset({"limit", "cursor", "layers", "pods", "pod", "timeout"})


def _parameters(query: Mapping[str, Sequence[str]], *, once: frozenset[str] = _ONCE) -> list[Schema]:
    """Return the parameters of a query as `problems.read_query` takes them."""
    written = []
    for name, values in query.items():
        form = json_schema.text_of(values) if values else _FORMS.get(name, {"type": "string", "minLength": 1})
        schema = form if name in once else {"type": "array", "items": form, "minItems": 1, "maxItems": MAX_VALUES}
        written.append({"name": name, "in": "query", "description": _MEANINGS[name], "schema": schema})
    return written


def _in_path(*names: str) -> list[Schema]:
    form = {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}
    return [{"name": name, "in": "path", "required": True, "schema": form} for name in names]


def _problem(description: str) -> Schema:
    return {"description": description, "content": {CONTENT_TYPE: {"schema": ref("Problem")}}}


_BAD_QUERY = _problem("A parameter does not exist or cannot have this value; the answer lists the allowed ones.")
_FULL = _problem("The server is at its limit; Retry-After is the time until the next try.")
_GUARDED = {
    "403": _problem("A browser sent the request for a page of another site."),
    "421": _problem("The name in Host is not allowed; see --allowed-hosts."),
}
"""Every path may answer these: see `server.http.guard`."""


def _get(summary: str, answer: str, parameters: list[Schema], **more: Schema) -> Schema:
    """Return one GET; `more` are its further answers, by status."""
    good = {"description": summary, "content": {"application/json": {"schema": ref(answer)}}}
    others = {status.removeprefix("_"): response for status, response in more.items()}
    return {
        "get": {
            "operationId": f"get{answer}",
            "summary": summary,
            "parameters": parameters,
            "responses": {"200": good, "400": _BAD_QUERY, **_GUARDED, **others},
        }
    }


_UNCHANGED = {"description": "The list has not changed since the answer with the ETag in If-None-Match."}
_ABSENT = _problem("The pull, pod or workload does not exist.")

_STREAM = {
    "get": {
        "operationId": "getEvents",
        "summary": "Changes as server-sent events; the schemas of the events describe their data",
        "parameters": _parameters(endpoint.QUERY),
        "responses": {
            "200": {
                "description": "A stream; the server ends it after about 30 minutes and the client reconnects.",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            "400": _BAD_QUERY,
            **_GUARDED,
            "503": _FULL,
        },
    }
}


def openapi() -> dict[str, Any]:
    """Return the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pulltrace",
            "version": __version__,
            "description": "Image pulls on every node, their progress and estimates, and the pods that wait for them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        # Relative to this document, so that it holds behind any prefix of a proxy.
        "servers": [{"url": "../.."}],
        "paths": {
            "/api/v1/pulls": _get("Pulls", "PullList", _parameters(resources.PULL_PARAMETERS), _304=_UNCHANGED),
            "/api/v1/pulls/{pullId}": _get("One pull", "PullDocument", _in_path("pullId"), _404=_ABSENT),
            "/api/v1/pods": _get(
                "Pods and the images that they wait for",
                "PodList",
                _parameters(resources.POD_PARAMETERS),
                _304=_UNCHANGED,
            ),
            "/api/v1/pods/{namespace}/{name}": _get(
                "One pod", "PodDocument", _in_path("namespace", "name"), _404=_ABSENT
            ),
            "/api/v1/workloads": _get("Workloads", "WorkloadList", _parameters(resources.WORKLOAD_PARAMETERS)),
            "/api/v1/nodes": _get("Nodes with an agent", "NodeList", _parameters(resources.NODE_PARAMETERS)),
            "/api/v1/thresholds": _get("Limits that define stalled, slow and long", "Thresholds", []),
            "/api/v1/wait": _get(
                "Wait until a pod or workload has its images",
                "WaitResult",
                _parameters(wait.PARAMETERS, once=_ONCE | {"workload"}),
                _404=_ABSENT,
                _503=_FULL,
            ),
            "/api/v1/events": _STREAM,
        },
        "components": {"schemas": json_schema.object_schemas((*schemas.ROWS, *schemas.DOCUMENTS, *schemas.EVENTS))},
    }


def events_schema() -> dict[str, Any]:
    """Return one JSON Schema for the data of all events of the stream: docs/events.schema.json."""
    definitions = json_schema.object_schemas((*schemas.ROWS, *schemas.EVENTS))
    written = orjson.dumps(definitions).replace(json_schema.PREFIX.encode(), b"#/$defs/")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The data of an event of GET /api/v1/events",
        "oneOf": [{"$ref": f"#/$defs/{each.__name__}"} for each in schemas.EVENTS],
        "$defs": orjson.loads(written),
    }


class OpenApiResource:
    """The document, encoded once."""

    def __init__(self) -> None:
        self._text = orjson.dumps(openapi())

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        response.content_type = "application/json"
        response.cache_control = ["no-cache"]
        response.data = self._text

    on_head = on_get
