"""`/healthz` and `/readyz`: `ok`, or 503 and one line with the fault."""

from __future__ import annotations

from collections.abc import Callable

import falcon
import falcon.asgi

Check = Callable[[], str | None]
"""Returns the fault in one line, or None."""


def all_is_well() -> None:
    """Report no fault: the check of a program that has nothing to check."""
    return


class Probe:
    """The answer of one check."""

    def __init__(self, check: Check) -> None:
        self._check = check

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        fault = self._check()
        response.content_type = "text/plain; charset=utf-8"
        response.cache_control = ["no-store"]
        response.status = falcon.HTTP_200 if fault is None else falcon.HTTP_503
        response.text = "ok\n" if fault is None else f"{fault}\n"

    on_head = on_get
