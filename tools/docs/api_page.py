"""docs/api-reference.md: every path, parameter and field of the HTTP API, from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pulltrace.server.api.openapi import openapi
from tools.docs.tables import GENERATED, code, table

HEAD = """\
# API reference

All paths, parameters and fields, from the OpenAPI 3.1 document that every aggregator serves at
`/api/v1/openapi.json`. [HTTP API](http-api.md) explains them and the event stream.
"""

Schema = dict[str, Any]


def page() -> str:
    """Return the whole page."""
    document = openapi()
    paths = (path(where, how, what) for where, item in document["paths"].items() for how, what in item.items())
    schemas = (schema(name, one) for name, one in document["components"]["schemas"].items())
    return GENERATED + HEAD + "".join(paths) + "\n## Fields\n" + "".join(schemas)


def path(where: str, how: str, operation: Schema) -> str:
    """Return the section of a path: its parameters and responses."""
    parameters = [
        (code(one["name"]), kind(one["schema"]), one.get("description", "in the path"))
        for one in operation.get("parameters", [])
    ]
    taken = "\n" + table(("parameter", "type", ""), parameters) if parameters else ""
    answers = [(code(status), body(one), one["description"]) for status, one in operation["responses"].items()]
    return f"\n## {how.upper()} {where}\n\n{operation['summary']}.\n{taken}\n{table(('status', 'body', ''), answers)}"


def body(response: Schema) -> str:
    """Return the schemas of a response."""
    return ", ".join(f"{kind(one['schema'])} as `{media}`" for media, one in response.get("content", {}).items())


def schema(name: str, one: Schema) -> str:
    """Return the section of a schema: its fields, or its type."""
    if "properties" not in one:
        return f"\n### {name}\n\n{kind(one)}\n"
    required = one.get("required", [])
    rows = [
        (code(field), kind(its), "always" if field in required else "", its.get("description", ""))
        for field, its in one["properties"].items()
    ]
    return f"\n### {name}\n\n" + table(("field", "type", "present", ""), rows)


def kind(one: Schema) -> str:
    """Return the type of a value with its allowed values."""
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for word in ("anyOf", "oneOf", "allOf"):
        if word in one:
            return " or ".join(kind(each) for each in one[word])
    if "const" in one:
        return code(f'"{one["const"]}"' if isinstance(one["const"], str) else str(one["const"]))
    if "enum" in one:
        return " ".join(map(code, one["enum"]))
    if one.get("type") == "array":
        return f"list of {kind(one['items'])}" if "items" in one else "list"
    return " or ".join(names(one)) + "".join(f", {limit}" for limit in limits(one))


def names(one: Schema) -> list[str]:
    found = one.get("type", "any")
    return [found] if isinstance(found, str) else list(found)


def limits(one: Schema) -> Iterator[str]:
    if "minimum" in one and "maximum" in one:
        yield f"{one['minimum']} to {one['maximum']}"
    elif "minimum" in one:
        yield f"at least {one['minimum']}"
    if "format" in one:
        yield str(one["format"])
