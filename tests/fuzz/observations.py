"""What a node's containerd shows: leases, blobs with labels and sizes from registries, records; up to the report of the agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from pulltrace.agent import tracker
from pulltrace.containerd.client import ContainerdClient, NotFound
from pulltrace.containerd.observation import Observer
from pulltrace.containerd.proto import containerd_pb2 as pb
from pulltrace.pulls.lease_format.annotations import LIMIT_BYTES, decode, encode
from tests.fuzz.properties import drive, is_pull, json_of

START = 1_795_451_752.0
_Message = TypeVar("_Message", bound=Message)


class _Node(ContainerdClient):
    """A containerd that shows what a JSON document says: by the name of the call, and of what is asked for."""

    def __init__(self, shown: Mapping[str, Any]) -> None:
        self._shown = shown

    def _all(self, what: str, kind: type[_Message]) -> list[_Message]:
        return [_message(each, kind) for each in _list(self._shown.get(what))]

    def _one(self, what: str, name: str) -> Any:
        there = self._shown.get(what)
        if not isinstance(there, dict) or name not in there:
            raise NotFound(name)
        return there[name]

    async def leases(self) -> Sequence[pb.Lease]:
        return self._all("leases", pb.Lease)

    async def lease_resources(self, lease_id: str) -> Sequence[pb.Resource]:
        return [_message(each, pb.Resource) for each in _list(self._one("resources", lease_id))]

    async def ingests(self) -> Sequence[pb.IngestStatus]:
        return self._all("ingests", pb.IngestStatus)

    async def content_info(self, digest: str) -> pb.ContentInfo:
        blob = self._one("blobs", digest)
        return _message(blob.get("info") if isinstance(blob, dict) else None, pb.ContentInfo)

    async def read_content(self, digest: str, size: int) -> bytes:
        blob = self._one("blobs", digest)
        text = blob.get("data") if isinstance(blob, dict) else None
        data = text.encode() if isinstance(text, str) else b""
        return data[:size] if size else data

    async def images(self, target_digests: Sequence[str] = ()) -> Sequence[pb.Image]:
        return self._all("images", pb.Image)

    def pop_image_recorded(self) -> bool:
        return True

    async def snapshot(self, snapshotter: str, key: str) -> pb.SnapshotInfo:
        return _message(self._one("snapshots", key), pb.SnapshotInfo)


def check(data: bytes) -> None:
    """A node is observed twice (a line each; the last one stays) and its agent lives: what it reports is within bounds, and its
    reader has no problem with it.
    """
    looks = [look for line in data.split(b"\n") if isinstance(look := json_of(line), dict)]
    if looks:
        drive(_observed([*looks, looks[-1]][:3]))


async def _observed(looks: Sequence[Mapping[str, Any]]) -> None:
    node = _Node({})
    now = START
    observer = Observer(node, lambda: 0.0, lambda: now, since=START - 60)
    state = tracker.TrackerState()
    for look in looks:
        node._shown = look
        now += 5.0
        state = tracker.advance(state, await observer.observe(), now, "node-1")
        report = tracker.report(state)
        told = encode(report)
        assert sum(len(key.encode()) + len(value.encode()) for key, value in told.items()) <= LIMIT_BYTES
        read = decode(told)
        assert read.problems == ()
        assert len(read.pulls) + read.omitted_pulls == len(report.pulls)
        for pull in (*read.pulls, *read.recent):
            is_pull(pull)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _message(value: object, kind: type[_Message]) -> _Message:
    """As gRPC would have it: every field of its type; what JSON says otherwise is left out."""
    message = kind()
    for key, field in value.items() if isinstance(value, dict) else ():
        try:
            json_format.ParseDict({key: field}, message, ignore_unknown_fields=True)
        except (json_format.ParseError, ValueError, TypeError, RecursionError):
            continue
    return message
