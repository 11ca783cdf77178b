"""Faults in place of a response of the API server, for `FakeApiServer.faults`."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from tests.fakes.api_server import Fault, Raw, StatusError


def status(code: int, message: str = "on demand", *, retry_after: str | None = None) -> Fault:
    """An error of the API server's own."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = StatusError(code, "OnDemand", message).answer
        if retry_after is not None:
            response.headers["Retry-After"] = retry_after
        return response

    return answer


def html(code: int = 502, text: str = "<html><body>Bad\nGateway</body></html>") -> Fault:
    """A load balancer's page."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=text, content_type="text/html")

    return answer


def hang() -> Fault:
    """No answer at all, and no end of the connection either."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    return answer


def cut() -> Fault:
    """The connection ends before an answer has begun."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.close()
        return web.Response()

    return answer


def lines(*sent: bytes, then: str = "end") -> Fault:
    """A watch that sends these bytes, and then ends (`end`), falls silent (`hang`) or breaks off (`cut`)."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for line in sent:
            await response.write(line)
        if then == "hang":
            await asyncio.Event().wait()
        if then == "cut":
            assert request.transport
            request.transport.close()
        return response

    return answer


def event(kind: str, raw: Raw) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": kind, "object": raw}).encode() + b"\n"


def error_event(code: int, message: str = "on demand") -> bytes:
    """An error inside a watch that began with 200."""
    return event("ERROR", StatusError(code, "OnDemand", message).body)
