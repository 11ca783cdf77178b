"""Observations of a node's containerd, up to the agent's report: leases, blobs with labels and sizes, image records."""

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
    """A containerd with the answers of a JSON document, by call and name."""

    def __init__(self, shown: Mapping[str, Any]) -> None:
        self._shown = shown

    def _all(self, what: str, kind: type[_Message]) -> list[_Message]:
        return [_message(each, kind) for each in _list(self._shown.get(what))]

    def _one(self, what: str, name: str) -> Any:
        answers = self._shown.get(what)
        if not isinstance(answers, dict) or name not in answers:
            raise NotFound(name)
        return answers[name]

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
    """Observe a node twice (a line each; the last one stays): the agent survives, its report is within bounds, and the
    report's reader has no problem with it.
    """
    polls = [poll for line in data.split(b"\n") if isinstance(poll := json_of(line), dict)]
    if polls:
        drive(_observed([*polls, polls[-1]][:3]))


async def _observed(polls: Sequence[Mapping[str, Any]]) -> None:
    node = _Node({})
    now = START
    observer = Observer(node, lambda: 0.0, lambda: now, since=START - 60)
    state = tracker.TrackerState()
    for poll in polls:
        node._shown = poll
        now += 5.0
        state = tracker.advance(state, await observer.observe(), now, "node-1")
        report = tracker.report(state)
        annotations = encode(report)
        assert sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) <= LIMIT_BYTES
        read = decode(annotations)
        assert read.problems == ()
        assert len(read.pulls) + read.omitted_pulls == len(report.pulls)
        for pull in (*read.pulls, *read.recent):
            is_pull(pull)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _message(value: object, kind: type[_Message]) -> _Message:
    """Return the value as gRPC would: every field of its type; JSON of another type is left out."""
    message = kind()
    for key, field in value.items() if isinstance(value, dict) else ():
        try:
            json_format.ParseDict({key: field}, message, ignore_unknown_fields=True)
        except (json_format.ParseError, ValueError, TypeError, RecursionError):
            continue
    return message
