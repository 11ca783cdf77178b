"""The calls to containerd that the agent makes, over one gRPC channel.

Every call carries the containerd namespace and, but for the stream of events, a deadline. There are three errors:
`NotFound` (the object ended between two calls, which is normal), `ContainerdUnavailable` (retry later) and
`ContainerdError` (all others).
Source: containerd's api/services/{leases,content,images,snapshots,events}/v1.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import grpc
import grpc.aio

from pulltrace.containerd.proto import containerd_pb2 as pb
from pulltrace.pulls.redaction import redact

CALL_SECONDS = 2.0
"""Deadline of one call: a containerd that hangs must not hang the agent."""
RESUBSCRIBE_SECONDS = 2.0
"""Pause after the end of a stream of events: every stream that ends leaks a little memory (grpc issue 43360)."""

# gRPC takes a Unix socket's path, percent-encoded, as HTTP/2 authority, and some servers reset such a stream
# (grpc issue 38142). Back-off is short because the agent polls every second anyway.
_CHANNEL_OPTIONS = (
    ("grpc.default_authority", "localhost"),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5000),
    ("grpc.max_receive_message_length", 32 * 1024 * 1024),
    ("grpc.enable_retries", 0),
)

_Response = TypeVar("_Response")


class ContainerdError(Exception):
    """containerd answered with an error. The text has the call, the status and the reason."""


class ContainerdUnavailable(ContainerdError):
    """containerd does not answer: it is not running, hangs, or its socket cannot be opened."""


class NotFound(ContainerdError):
    """The object does not exist, or not any more."""


class ContainerdClient:
    """Typed calls in one containerd namespace. Kubernetes uses `k8s.io`."""

    def __init__(self, channel: grpc.aio.Channel, namespace: str, call_seconds: float = CALL_SECONDS) -> None:
        self._channel = channel
        self._call_seconds = call_seconds
        self._namespace = namespace
        self._image_recorded = False
        self._metadata = (("containerd-namespace", namespace),)

    async def leases(self) -> Sequence[pb.Lease]:
        """Return all leases, those of pulls and others."""
        answer = await self._call("leases.v1.Leases/List", pb.ListLeasesRequest(), pb.ListLeasesResponse)
        return answer.leases

    async def lease_resources(self, lease_id: str) -> Sequence[pb.Resource]:
        """Return the objects that a lease protects. Raises `NotFound` when the lease has just ended."""
        request = pb.ListResourcesRequest(id=lease_id)
        answer = await self._call("leases.v1.Leases/ListResources", request, pb.ListResourcesResponse)
        return answer.resources

    async def ingests(self) -> Sequence[pb.IngestStatus]:
        """Return the running downloads, with their offsets."""
        answer = await self._call("content.v1.Content/ListStatuses", pb.ListStatusesRequest(), pb.ListStatusesResponse)
        return answer.statuses

    async def content_info(self, digest: str) -> pb.ContentInfo:
        """Return size, time and labels of a blob. Raises `NotFound`."""
        answer = await self._call(
            "content.v1.Content/Info", pb.ContentInfoRequest(digest=digest), pb.ContentInfoResponse
        )
        return answer.info

    async def find_content(self, digest: str) -> pb.ContentInfo | None:
        """Return size, time and labels of a blob; None for one that is not present."""
        try:
            return await self.content_info(digest)
        except NotFound:
            return None

    async def read_content(self, digest: str, size: int) -> bytes:
        """Return the first `size` bytes of a blob; all of it for 0. Raises `NotFound`."""
        path = "/containerd.services.content.v1.Content/Read"
        call = self._channel.unary_stream(
            path,
            request_serializer=pb.ReadContentRequest.SerializeToString,
            response_deserializer=pb.ReadContentResponse.FromString,
        )
        request = pb.ReadContentRequest(digest=digest, size=size)
        try:
            parts = [part.data async for part in call(request, timeout=self._call_seconds, metadata=self._metadata)]
        except grpc.aio.AioRpcError as error:
            raise _containerd_error(error, path) from None
        return b"".join(parts)

    async def images(self) -> Sequence[pb.Image]:
        """Return all image records."""
        answer = await self._call("images.v1.Images/List", pb.ListImagesRequest(), pb.ListImagesResponse)
        return answer.images

    def pop_image_recorded(self) -> bool:
        """Return whether an image record may have been written since the last call."""
        recorded, self._image_recorded = self._image_recorded, False
        return recorded

    async def watch_images(self) -> None:
        """Receive the events of image records until cancelled; a new stream follows one that ends."""
        path = "/containerd.services.events.v1.Events/Subscribe"
        call = self._channel.unary_stream(
            path,
            request_serializer=pb.SubscribeRequest.SerializeToString,
            response_deserializer=len,  # only the arrival of an event counts
        )
        request = pb.SubscribeRequest(filters=[f'namespace=={self._namespace},topic~="^/images/(create|update)"'])
        while True:
            try:
                async for _ in call(request, metadata=self._metadata):
                    self._image_recorded = True
            except grpc.aio.AioRpcError:
                pass  # the other calls report the error
            await asyncio.sleep(RESUBSCRIBE_SECONDS)

    async def snapshot(self, snapshotter: str, key: str) -> pb.SnapshotInfo:
        """Return one snapshot. Raises `NotFound`."""
        request = pb.StatSnapshotRequest(snapshotter=snapshotter, key=key)
        answer = await self._call("snapshots.v1.Snapshots/Stat", request, pb.StatSnapshotResponse)
        return answer.info

    async def _call(self, method: str, request: Any, response: type[_Response]) -> _Response:
        path = f"/containerd.services.{method}"
        call = self._channel.unary_unary(
            path,
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,  # type: ignore[attr-defined]
        )
        try:
            # A deadline, not asyncio.timeout: grpc.aio leaks when a call is cancelled (grpc issue 43360).
            answer: _Response = await call(request, timeout=self._call_seconds, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise _containerd_error(error, path) from None
        return answer


@asynccontextmanager
async def connect(
    socket_path: str, namespace: str, call_seconds: float = CALL_SECONDS
) -> AsyncIterator[ContainerdClient]:
    """Open a client on containerd's Unix socket. It opens without containerd too; then the calls fail."""
    async with grpc.aio.insecure_channel(f"unix:{socket_path}", options=_CHANNEL_OPTIONS) as channel:
        client = ContainerdClient(channel, namespace, call_seconds)
        watching = asyncio.create_task(client.watch_images())
        try:
            yield client
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


def _containerd_error(error: grpc.aio.AioRpcError, path: str) -> ContainerdError:
    text = redact(f"{path.rpartition('/')[2]}: {error.code().name}: {error.details()}")
    if error.code() is grpc.StatusCode.NOT_FOUND:
        return NotFound(text)
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return ContainerdUnavailable(text)
    return ContainerdError(text)
