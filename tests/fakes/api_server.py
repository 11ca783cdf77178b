"""An API server for Leases, Nodes, Pods and Events: real HTTP on loopback, everything else in memory.

It behaves like the real one where Pulltrace relies on it: lists in pages, watches with bookmarks, selectors, merge
patches, conflicts, expired versions. `tests/conformance/test_api_server.py` runs on both. Faults that a real one rarely
has on demand are in `api_server_faults`. Seconds in `timeoutSeconds` pass twenty times faster.
"""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Raw = dict[str, Any]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]

FIRST_VERSION = 1000
"""Versions before this have "expired", as those before a restart have on a real server."""
FAKE_SECOND = 0.05

_KINDS = {
    "leases": ("Lease", "coordination.k8s.io/v1"),
    "nodes": ("Node", "v1"),
    "pods": ("Pod", "v1"),
    "events": ("Event", "v1"),
}


@dataclass(frozen=True)
class Change:
    version: int
    resource: str
    before: Raw | None
    after: Raw | None


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    params: dict[str, str]
    headers: Mapping[str, str]
    body: Any

    @property
    def kind(self) -> str:
        """`watch`, `list`, or the method."""
        if self.params.get("watch") == "true":
            return "watch"
        return "list" if self.method == "GET" and self.path.rpartition("/")[2] in _KINDS else self.method


class StatusError(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    @property
    def body(self) -> Raw:
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        return {**status, "message": self.message, "reason": self.reason, "code": self.code}

    @property
    def answer(self) -> web.Response:
        return web.json_response(self.body, status=self.code)


class FakeApiServer:
    """`async with running() as server:` starts one; `put` and `remove` set the scene."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[Seen] = []
        self.token: str | None = None
        """When set, every request must carry it."""
        self.faults: dict[str, list[Fault]] = {}
        """By kind of request (`watch`, `list`, `GET`, `POST`, …): each is used once, in order."""
        self._objects: dict[tuple[str, str, str], Raw] = {}
        self._version = FIRST_VERSION
        self._floor = FIRST_VERSION
        self._changes: list[Change] = []
        self._pages: dict[str, tuple[int, list[Raw]]] = {}
        self._changed = asyncio.Event()
        self._arrived = asyncio.Event()
        self._endings = 0

    # -- for the tests' own hands

    def put(self, resource: str, raw: Raw) -> Raw:
        """Create or replace an object."""
        raw = copy.deepcopy(raw)
        metadata = raw.setdefault("metadata", {})
        metadata.setdefault("uid", f"uid-{self._version}")
        metadata.pop("managedFields", None)  # it keeps none
        key = (resource, metadata.get("namespace", ""), metadata["name"])
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        kind, api_version = _KINDS[resource]
        after = {"kind": kind, "apiVersion": api_version, **raw}
        self._record(Change(self._version, resource, self._objects.get(key), after))
        self._objects[key] = after
        return after

    def remove(self, resource: str, namespace: str, name: str) -> None:
        before = self._objects.pop((resource, namespace, name))
        self._version += 1
        self._record(Change(self._version, resource, before, None))

    def get(self, resource: str, namespace: str, name: str) -> Raw:
        return self._objects[resource, namespace, name]

    def compact(self) -> None:
        """Forget the past: watches from older versions, and pages of older lists, are answered with 410."""
        self._version += 1
        self._floor = self._version
        self._changes.clear()
        self._pages.clear()

    def end_watches(self) -> None:
        """End all open watches, as after `timeoutSeconds`."""
        self._endings += 1
        self._wake()

    def count(self, kind: str) -> int:
        return sum(seen.kind == kind for seen in self.seen)

    async def reached(self, kind: str, count: int) -> None:
        """Wait until so many requests of this kind have come in all."""
        while self.count(kind) < count:
            await self._arrived.wait()

    # -- the client's view

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        seen = Seen(
            request.method, request.path, dict(request.query), request.headers, json.loads(text) if text else None
        )
        self.seen.append(seen)
        self._arrived.set()
        self._arrived = asyncio.Event()
        if faults := self.faults.get(seen.kind):
            return await faults.pop(0)(request)
        try:
            self._authenticate(seen)
            resource, namespace, name = _route(request.path)
            if seen.kind == "watch":
                return await self._watch(request, seen, resource, namespace)
            return web.json_response(self._answer(seen, resource, namespace, name), status=_success(request.method))
        except StatusError as error:
            return error.answer

    def _authenticate(self, seen: Seen) -> None:
        if self.token is not None and seen.headers.get("Authorization") != f"Bearer {self.token}":
            raise StatusError(401, "Unauthorized", "Unauthorized")

    def _answer(self, seen: Seen, resource: str, namespace: str, name: str) -> Raw:
        key = (resource, namespace, name)
        match seen.method:
            case "GET" if not name:
                return self._list(seen.params, resource, namespace)
            case "POST":
                made: Raw = {**seen.body, "metadata": {**seen.body["metadata"], "namespace": namespace}}
                if (resource, namespace, made["metadata"]["name"]) in self._objects:
                    raise StatusError(409, "AlreadyExists", f'{resource} "{made["metadata"]["name"]}" already exists')
                if resource == "pods":
                    made["status"] = {"phase": "Pending"}
                return self.put(resource, made)
        if key not in self._objects:
            raise StatusError(404, "NotFound", f'{resource} "{name}" not found')
        match seen.method:
            case "GET":
                return self._objects[key]
            case "DELETE":
                gone = self._objects[key]
                self.remove(*key)
                return gone
            case "PATCH":
                if seen.headers.get("Content-Type") != "application/merge-patch+json":
                    raise StatusError(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
                return self.put(resource, merge(self._objects[key], seen.body))
            case "PUT":
                version = seen.body["metadata"].get("resourceVersion")
                if version not in {None, self._objects[key]["metadata"]["resourceVersion"]}:
                    raise StatusError(409, "Conflict", f'{resource} "{name}": the object has been modified')
                return self.put(resource, seen.body)
        raise StatusError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")

    def _list(self, params: Mapping[str, str], resource: str, namespace: str) -> Raw:
        if token := params.get("continue"):
            if token not in self._pages:
                raise StatusError(410, "Expired", "The provided continue parameter is too old")
            version, items = self._pages.pop(token)
        else:
            version = self._version
            chosen = (raw for (kind, *_), raw in sorted(self._objects.items()) if kind == resource)
            items = [raw for raw in chosen if _selected(raw, params, namespace)]
        kind, api_version = _KINDS[resource]
        metadata: Raw = {"resourceVersion": str(version)}
        # A list from the cache (version 0) comes whole, whatever its limit.
        limit = 0 if params.get("resourceVersion") == "0" else int(params.get("limit", 0))
        if limit and len(items) > limit:
            metadata["continue"] = f"page-{version}-{len(items)}"
            metadata["remainingItemCount"] = len(items) - limit
            self._pages[metadata["continue"]] = (version, items[limit:])
            items = items[:limit]
        return {"kind": f"{kind}List", "apiVersion": api_version, "metadata": metadata, "items": items}

    async def _watch(self, request: web.Request, seen: Seen, resource: str, namespace: str) -> web.StreamResponse:
        version, endings = int(seen.params.get("resourceVersion") or 0), self._endings
        sent = version
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        if 0 < version < self._floor:
            expired = StatusError(410, "Expired", f"too old resource version: {version} ({self._floor})")
            await _send(answer, "ERROR", expired.body)
            return answer
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + float(seen.params.get("timeoutSeconds", 3600)) * FAKE_SECOND
        while True:
            changed = self._changed
            for change in [one for one in self._changes if one.version > version and one.resource == resource]:
                if event := _event(change, seen.params, namespace):
                    await _send(answer, *event)
                    sent = change.version
            version = max(version, self._version)
            if self._endings > endings or loop.time() >= ends_at:
                # A real server sends no bookmarks for Events, which it does not keep in memory.
                bookmarks = seen.params.get("allowWatchBookmarks") == "true" and resource != "events"
                if version > sent and bookmarks:
                    kind, api_version = _KINDS[resource]
                    metadata = {"resourceVersion": str(version), "creationTimestamp": None}
                    await _send(answer, "BOOKMARK", {"kind": kind, "apiVersion": api_version, "metadata": metadata})
                return answer
            try:
                async with asyncio.timeout_at(ends_at):
                    await changed.wait()
            except TimeoutError:
                pass

    def _record(self, change: Change) -> None:
        self._changes.append(change)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


@asynccontextmanager
async def running(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeApiServer]:
    """A fake API server on a free port."""
    server = FakeApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    # Watches never end by themselves: the end of a test cuts them.
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.01)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        yield server
    finally:
        await runner.cleanup()


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def _route(path: str) -> tuple[str, str, str]:
    """The resource, the namespace and the name in a path."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if len(parts) > 2 and parts[0] == "namespaces":
        namespace, parts = parts[1], parts[2:]
    if not parts or parts[0] not in _KINDS:
        raise StatusError(404, "NotFound", "the server could not find the requested resource")
    return parts[0], namespace, parts[1] if len(parts) > 1 else ""


def _success(method: str) -> int:
    return 201 if method == "POST" else 200


def _selected(raw: Raw | None, params: Mapping[str, str], namespace: str) -> bool:
    if raw is None or (namespace and raw["metadata"].get("namespace") != namespace):
        return False
    labels = raw["metadata"].get("labels") or {}
    fields = {
        "metadata.name": raw["metadata"]["name"],
        "status.phase": (raw.get("status") or {}).get("phase", ""),
        "spec.nodeName": (raw.get("spec") or {}).get("nodeName", ""),
        "involvedObject.kind": (raw.get("involvedObject") or {}).get("kind", ""),
        "source": (raw.get("source") or {}).get("component", ""),
        "reason": raw.get("reason", ""),
    }
    checks = [*_checks(params.get("labelSelector", ""), labels), *_checks(params.get("fieldSelector", ""), fields)]
    return all(checks)


def _checks(selector: str, values: Mapping[str, str]) -> Iterator[bool]:
    for term in filter(None, selector.split(",")):
        key, _, wanted = term.partition("=")
        if key.endswith("!"):
            yield values.get(key[:-1], "") != wanted
        else:
            yield values.get(key) == wanted


def _event(change: Change, params: Mapping[str, str], namespace: str) -> tuple[str, Raw] | None:
    """Return the event of a watch with these selectors: an object that no longer matches is deleted."""
    was = _selected(change.before, params, namespace)
    if change.after is not None and _selected(change.after, params, namespace):
        return ("MODIFIED" if was else "ADDED"), change.after
    if not was:
        return None
    raw = copy.deepcopy(change.after or change.before or {})
    raw["metadata"]["resourceVersion"] = str(change.version)
    return "DELETED", raw


async def _send(answer: web.StreamResponse, kind: str, raw: Raw) -> None:
    await answer.write(json.dumps({"type": kind, "object": raw}).encode() + b"\n")
