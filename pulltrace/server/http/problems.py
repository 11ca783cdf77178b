"""Errors as problem documents (RFC 9457), and strict query parameters.

A misspelled parameter that is ignored would show all rows where the client asked for some. So unknown parameters are errors, and
the response lists the valid ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qs

import falcon
import falcon.asgi
import orjson

from pulltrace.server.http.asgi import Send, respond

CONTENT_TYPE = "application/problem+json"

MAX_FIELDS = 128
MAX_VALUES = 16
"""Of one parameter."""
MAX_ECHO = 100
"""Characters of a client's value that an error repeats."""


class BadParameter(falcon.HTTPBadRequest):
    """An unknown parameter or value; `allowed` are the valid parameters or values."""

    def __init__(self, parameter: str, value: str, allowed: Collection[str], detail: str) -> None:
        super().__init__(title="Bad query parameter", description=detail)
        self.members: dict[str, Any] = {
            "parameter": parameter[:MAX_ECHO],
            "value": value[:MAX_ECHO],
            "allowed": list(allowed),
        }


def document(error: falcon.HTTPError) -> bytes:
    """Return the body of the response."""
    # Falcon's own errors have their status line as title: "404 Not Found".
    title = str(error.title).removeprefix(f"{error.status_code} ")
    written: dict[str, Any] = {"type": "about:blank", "title": title, "status": error.status_code}
    if error.description is not None:
        written["detail"] = error.description
    if isinstance(error, BadParameter):
        written |= error.members
    return orjson.dumps(written)


def serialize(request: falcon.asgi.Request, response: falcon.asgi.Response, error: falcon.HTTPError) -> None:
    """Write the error into the response, for `App.set_error_serializer`."""
    response.content_type = CONTENT_TYPE
    response.data = document(error)


async def respond_error(send: Send, error: falcon.HTTPError) -> None:
    """Send the response, for an application that is not Falcon's."""
    headers = [(name.lower().encode(), value.encode()) for name, value in dict(error.headers or {}).items()]
    await respond(send, error.status_code, CONTENT_TYPE, document(error), headers)


def read_query(query_string: str, allowed: Mapping[str, Collection[str]]) -> dict[str, tuple[str, ...]]:
    """Return the values of each parameter, none of them empty. Raises BadParameter, HTTPBadRequest.

    `allowed` maps the known names to the known values; an empty collection allows any text.
    """
    try:
        given = parse_qs(query_string, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise falcon.HTTPBadRequest(
            title="Bad query string", description=f"It cannot be read, or has more than {MAX_FIELDS} fields."
        ) from error
    for name, values in given.items():
        if name not in allowed:
            detail = f"There is no parameter {name[:MAX_ECHO]!r}: there is {', '.join(allowed)}."
            raise BadParameter(name, values[0], allowed, detail)
        if len(values) > MAX_VALUES:
            detail = f"{name} is given {len(values)} times, which is more than {MAX_VALUES}."
            raise BadParameter(name, values[MAX_VALUES], allowed[name], detail)
        for value in values:
            if not value:
                raise BadParameter(name, value, allowed[name], f"{name} is empty.")
            if allowed[name] and value not in allowed[name]:
                detail = f"{name} cannot be {value[:MAX_ECHO]!r}: it is one of {', '.join(allowed[name])}."
                raise BadParameter(name, value, allowed[name], detail)
    return {name: tuple(values) for name, values in given.items()}
