"""JSON Schemas of the types in `schemas`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, TypeAlias, get_args, get_origin, get_type_hints, is_typeddict

Schema: TypeAlias = dict[str, Any]

PREFIX = "#/components/schemas/"

_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def ref(name: str) -> Schema:
    return {"$ref": PREFIX + name}


def text_of(values: Iterable[str]) -> Schema:
    """Return the schema of a text that is one of these values."""
    return {"type": "string", "enum": [str(value) for value in values]}


def object_schemas(types: Iterable[type]) -> dict[str, Schema]:
    """Return the schema of each TypedDict by its name."""
    return {each.__name__: _object_schema(each) for each in types}


def _object_schema(typed_dict: type) -> Schema:
    fields = get_type_hints(typed_dict, include_extras=True)
    return {
        "type": "object",
        "properties": {name: _schema(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if get_origin(field) is not NotRequired],
    }


def _schema(field: Any) -> Schema:
    arguments = get_args(field)
    match get_origin(field):
        case origin if origin is NotRequired:
            return _schema(arguments[0])
        case origin if origin is Annotated:
            return {**_schema(arguments[0]), **arguments[1]}
        case origin if origin is Literal:
            [value] = arguments
            return {"const": value}
        case origin if origin is UnionType:
            return {"type": [_NAMES[each] for each in arguments]}
        case origin if origin is Sequence:
            return {"type": "array", "items": _schema(arguments[0])}
        case origin if origin is tuple:
            items = [_schema(each) for each in arguments]
            return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if is_typeddict(field):
        return ref(field.__name__)
    if issubclass(field, StrEnum):
        return text_of(field)
    return {"type": _NAMES[field]}
