"""An application behind the real server, on a port of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pulltrace.server.http.asgi import Application
from pulltrace.server.http.server import serve
from tests.server.waiting import until

SETTING = "PULLTRACE_HTTP_ADDR"


@asynccontextmanager
async def serving(app: Application, address: str = "127.0.0.1:0", **options: Any) -> AsyncIterator[int]:
    """Yield the port where the application answers."""
    ports: list[int] = []
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(app, address, setting=SETTING, ready=ports.append, stop=stop, **options))
        await until(lambda: ports)
        try:
            yield ports[0]
        finally:
            stop.set()
