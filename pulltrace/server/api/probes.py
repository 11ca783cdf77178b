"""`/healthz` and `/readyz`: one word when all is well, else one line that says what is not."""

from __future__ import annotations

from collections.abc import Callable

import falcon
import falcon.asgi

Check = Callable[[], str | None]
"""What is missing, in one line; None when nothing is."""


def all_is_well() -> None:
    """A check for whoever has nothing to check."""
    return


class Probe:
    """One check as a resource."""

    def __init__(self, check: Check) -> None:
        self._check = check

    async def on_get(self, request: falcon.asgi.Request, response: falcon.asgi.Response) -> None:
        missing = self._check()
        response.content_type = "text/plain; charset=utf-8"
        response.cache_control = ["no-store"]
        response.status = falcon.HTTP_200 if missing is None else falcon.HTTP_503
        response.text = "ok\n" if missing is None else f"{missing}\n"

    on_head = on_get
