"""The chart's values: each is in the schema and explained, and the schema leaves nothing open."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.deploy.manifests import CHART

KUBERNETES_OWN = {"nodeAffinity", "podAffinity", "podAntiAffinity", "podSelector", "namespaceSelector", "global"}
"""Objects of Kubernetes that the chart passes on (`global` is not read)."""

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())


def schemas(schema: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema within a schema, with the name of its value."""
    if isinstance(schema, list):
        for one in schema:
            yield from schemas(one, name)
    elif isinstance(schema, dict):
        yield name, schema
        for word in ("items", "anyOf", "additionalProperties"):
            yield from schemas(schema.get(word), name)
        for word in ("properties", "definitions"):
            for child, one in schema.get(word, {}).items():
                yield from schemas(one, child)


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def unknown(values: dict[str, Any], schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of values that the schema does not name, and of those that it names and that have no default."""
    schema = resolved(schema)
    properties = schema.get("properties")
    if properties is None:
        return
    yield from (f"{path}{name} is not in the schema" for name in values.keys() - properties.keys())
    for name, value in values.items():
        if isinstance(value, dict) and name in properties:
            yield from unknown(value, properties[name], f"{path}{name}.")


def test_schema_refuses_unknown_keys_everywhere() -> None:
    """A typing error in a value is an error, not a value that is ignored: no object of the schema is open."""
    open_ones = [
        name
        for name, schema in schemas(SCHEMA)
        if schema.get("type") == "object" and "additionalProperties" not in schema and name not in KUBERNETES_OWN
    ]
    assert open_ones == []


def test_every_default_is_in_the_schema() -> None:
    """The schema knows every value of values.yaml."""
    assert list(unknown(VALUES, SCHEMA)) == []


def test_every_value_has_a_default() -> None:
    """values.yaml has every top-level value of the schema."""
    assert SCHEMA["properties"].keys() - VALUES.keys() == {"global"}


def test_values_are_explained() -> None:
    """Where a value at the top of values.yaml stands, a comment stands too."""
    paragraphs = (CHART / "values.yaml").read_text().split("\n\n")
    bare = [one for one in paragraphs if re.search(r"^\w", one, re.MULTILINE) and "#" not in one]
    assert bare == []
