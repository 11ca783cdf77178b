"""Errors as problem documents (RFC 9457), and query parameters that are read strictly.

A misspelled parameter that is quietly ignored shows everything where somebody asked for a part, so what is not known
is refused, and the answer says what would have been right.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qs

import falcon
import falcon.asgi
import orjson

CONTENT_TYPE = "application/problem+json"

MAX_FIELDS = 32
MAX_ECHO = 100
"""So many characters of what a client sent come back to it."""


class BadParameter(falcon.HTTPBadRequest):
    """A query parameter that cannot be what was meant."""

    def __init__(self, parameter: str, value: str | None, allowed: Collection[str], detail: str) -> None:
        super().__init__(title="Bad query parameter", description=detail)
        self.members: dict[str, Any] = {"parameter": parameter[:MAX_ECHO], "allowed": list(allowed)}
        if value is not None:
            self.members["value"] = value[:MAX_ECHO]


def document(error: falcon.HTTPError) -> bytes:
    """The body that tells of the error."""
    written: dict[str, Any] = {"type": "about:blank", "title": error.title, "status": error.status_code}
    if error.description is not None:
        written["detail"] = error.description
    if isinstance(error, BadParameter):
        written |= error.members
    return orjson.dumps(written)


def serialize(request: falcon.asgi.Request, response: falcon.asgi.Response, error: falcon.HTTPError) -> None:
    """For `App.set_error_serializer`."""
    response.content_type = CONTENT_TYPE
    response.data = document(error)


def read_query(query_string: str, allowed: Mapping[str, Collection[str]]) -> dict[str, tuple[str, ...]]:
    """The values of each parameter that was given, none of them empty.

    `allowed` maps the names that are known to the values that are: an empty collection means any text.
    """
    try:
        given = parse_qs(query_string, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise falcon.HTTPBadRequest(
            title="Bad query string", description=f"It cannot be read, or has more than {MAX_FIELDS} fields."
        ) from error
    for name, values in given.items():
        if name not in allowed:
            raise BadParameter(name, values[0], allowed, "There is no such parameter.")
        for value in values:
            if not value:
                raise BadParameter(name, value, allowed[name], "The parameter is empty.")
            if allowed[name] and value not in allowed[name]:
                raise BadParameter(name, value, allowed[name], "The parameter cannot have this value.")
    return {name: tuple(values) for name, values in given.items()}
