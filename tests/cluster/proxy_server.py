"""The program behind `proxy.Proxy`: a reverse proxy with a slow link and faults on demand.

    python -m tests.cluster.proxy_server --listen 127.0.0.1:5001 --upstream http://127.0.0.1:5000

Everything goes to the upstream but `/_proxy/…`, by which tests give orders. All bodies share one token
bucket: it is the link of the machine that pulls.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import asdict

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

from tests.cluster.faults import JSON, Fault, Request, challenge, error_body

CHUNKS_A_SECOND = 20
MAX_CHUNK_BYTES = 64 * 1024
HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "upgrade"}


class Bucket:
    """Bytes for all, at a rate that may change at any time; 0 is a pause, None no limit."""

    def __init__(self) -> None:
        self.rate: float | None = None
        self._changed = asyncio.Condition()
        self._queue = asyncio.Lock()
        self._free_at = 0.0

    @property
    def chunk_bytes(self) -> int:
        """So few that a change of the rate takes effect at once."""
        if self.rate is None:
            return MAX_CHUNK_BYTES
        return max(256, min(MAX_CHUNK_BYTES, int(self.rate / CHUNKS_A_SECOND)))

    async def set_rate(self, rate: float | None) -> None:
        """Change the rate, for waiting transfers too."""
        async with self._changed:
            self.rate = rate
            self._free_at = 0.0
            self._changed.notify_all()

    async def take(self, size: int) -> None:
        """Wait until so many bytes may be sent; first come, first served."""
        async with self._queue, self._changed:
            while self.rate == 0:
                await self._changed.wait()
            if self.rate is None:
                return
            # A late wake-up's lost time is made up for, up to a tenth of a second.
            self._free_at = max(self._free_at, time.monotonic() - 0.1) + size / self.rate
            while (ahead := self._free_at - time.monotonic()) > 0 or self.rate == 0:
                try:
                    await asyncio.wait_for(self._changed.wait(), ahead if self.rate else None)
                except TimeoutError:
                    return


class Order:
    """A fault in force, how often it still applies, and the event that releases its requests."""

    def __init__(self, number: int, fault: Fault) -> None:
        self.number = number
        self.fault = fault
        self.left = fault.times
        self.removed = asyncio.Event()

    def matches(self, method: str, path: str) -> bool:
        """Return whether it takes this request; it then counts as used once more."""
        if self.left == 0 or not re.fullmatch(self.fault.method, method) or not re.search(self.fault.path, path):
            return False
        if self.left is not None:
            self.left -= 1
        return True

    async def hang(self, seconds: float | None) -> None:
        """Wait until the time is over or the fault is removed."""
        try:
            await asyncio.wait_for(self.removed.wait(), seconds)
        except TimeoutError:
            pass


class Cut(Exception):
    """The connection is to be closed now."""


class Proxy:
    """The handler of all requests, and the faults in force."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.bucket = Bucket()
        self.orders: list[Order] = []
        self.log: list[JSON] = []
        self._numbers = 0
        self._started = time.monotonic()
        self._session: ClientSession | None = None

    def app(self) -> web.Application:
        """Return the routes."""
        app = web.Application(client_max_size=2**40)
        app.router.add_put("/_proxy/rate", self.on_rate)
        app.router.add_post("/_proxy/faults", self.on_add)
        app.router.add_delete("/_proxy/faults", self.on_clear)
        app.router.add_delete("/_proxy/faults/{number}", self.on_remove)
        app.router.add_get("/_proxy/requests", self.on_requests)
        app.router.add_delete("/_proxy/requests", self.on_forget)
        app.router.add_route("*", "/{path:.*}", self.on_request)
        app.cleanup_ctx.append(self._with_session)
        return app

    async def _with_session(self, app: web.Application) -> AsyncIterator[None]:
        timeout = ClientTimeout(total=None)
        async with ClientSession(timeout=timeout, connector=TCPConnector(limit=0), auto_decompress=False) as session:
            self._session = session
            yield

    async def on_rate(self, request: web.Request) -> web.Response:
        """Set the rate of the link."""
        await self.bucket.set_rate(await request.json())
        return web.json_response(None)

    async def on_add(self, request: web.Request) -> web.Response:
        """Add a fault and answer with its number."""
        self._numbers += 1
        self.orders.append(Order(self._numbers, Fault(**await request.json())))
        return web.json_response(self._numbers)

    async def on_remove(self, request: web.Request) -> web.Response:
        """Remove one fault; a request that hangs in it goes on."""
        self._remove(int(request.match_info["number"]))
        return web.json_response(None)

    async def on_clear(self, request: web.Request) -> web.Response:
        """Remove all faults."""
        self._remove(None)
        return web.json_response(None)

    async def on_requests(self, request: web.Request) -> web.Response:
        """Everything asked so far."""
        return web.json_response(self.log)

    async def on_forget(self, request: web.Request) -> web.Response:
        """Forget the finished requests."""
        self.log = [entry for entry in self.log if entry["ended"] is None]
        return web.json_response(None)

    def _remove(self, number: int | None) -> None:
        gone = [order for order in self.orders if number in (None, order.number)]
        self.orders = [order for order in self.orders if order not in gone]
        for order in gone:
            order.removed.set()

    def _now(self) -> float:
        return time.monotonic() - self._started

    async def on_request(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, or apply a fault to it."""
        order = next((one for one in self.orders if one.matches(request.method, request.path)), None)
        wanted = request.headers.get("Range")
        number = order.number if order else None
        entry = asdict(Request(request.method, request.path, wanted, None, 0, self._now(), None, number))
        self.log.append(entry)
        try:
            if order and order.fault.hang_seconds:
                await order.hang(order.fault.hang_seconds)
            if order and order.fault.status:
                return self._refuse(request, order.fault, entry)
            return await self._pass_on(request, order, entry)
        except Cut:
            if request.transport:
                request.transport.close()
            raise
        finally:
            entry["ended"] = self._now()

    def _refuse(self, request: web.Request, fault: Fault, entry: JSON) -> web.Response:
        assert fault.status is not None
        entry["status"] = fault.status
        headers = challenge(fault.status) | fault.headers
        body = error_body(fault.status, request.path, fault.message)
        return web.json_response(body, status=fault.status, headers=headers)

    async def _pass_on(self, request: web.Request, order: Order | None, entry: JSON) -> web.StreamResponse:
        assert self._session is not None
        kept = {name: value for name, value in request.headers.items() if name.lower() not in HOP_HEADERS}
        url = self.upstream + request.raw_path
        body = request.content if request.can_read_body else None
        async with self._session.request(request.method, url, headers=kept, data=body, allow_redirects=False) as answer:
            entry["status"] = answer.status
            response = web.StreamResponse(status=answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in HOP_HEADERS:
                    response.headers.add(name, value)
            await response.prepare(request)
            if request.method != "HEAD":
                async for block in answer.content.iter_any():
                    await self._send(response, block, order, entry)
            await response.write_eof()
            return response

    async def _send(self, response: web.StreamResponse, block: bytes, order: Order | None, entry: JSON) -> None:
        while block:
            size = min(len(block), self.bucket.chunk_bytes)
            fault = order.fault if order and not order.removed.is_set() else None
            if fault and fault.stall_after_bytes is not None:
                left = fault.stall_after_bytes - entry["sent_bytes"]
                if left <= 0:
                    assert order is not None
                    await order.hang(None)
                    continue
                size = min(size, left)
            if fault and fault.cut_after_bytes is not None:
                left = fault.cut_after_bytes - entry["sent_bytes"]
                if left <= 0:
                    raise Cut
                size = min(size, left)
            await self.bucket.take(size)
            piece, block = block[:size], block[size:]
            if fault and fault.corrupt:
                piece = bytes(byte ^ 0x5A for byte in piece)
            await response.write(piece)
            entry["sent_bytes"] += len(piece)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--upstream", required=True, metavar="URL")
    arguments = parser.parse_args()
    address, _, port = arguments.listen.rpartition(":")
    app = Proxy(arguments.upstream).app()
    # handler_cancellation: a request whose client went away has ended, even if it hangs.
    web.run_app(
        app, host=address, port=int(port), print=None, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
    )


if __name__ == "__main__":
    main()
