"""The calls to containerd that Pulltrace needs, over one gRPC channel for life.

Every call carries the containerd namespace and, but for the stream of events, a deadline. Errors come out as three kinds: `NotFound`
(the thing ended between two calls, which is normal), `ContainerdUnavailable` (nobody answers: try
again later) and `ContainerdError` (anything else).
Sources: containerd's api/services/{leases,content,images,snapshots,events}/v1.
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
LISTEN_AGAIN_SECONDS = 2.0
"""After a stream of events has ended: each one that does costs a little memory (grpc issue 43360)."""

# A Unix socket's path would become the HTTP/2 authority, percent-encoded, and some servers reset the stream
# then (grpc issue 38142). Back-off is short because the agent asks every second anyway.
_CHANNEL_OPTIONS = (
    ("grpc.default_authority", "localhost"),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5000),
    ("grpc.max_receive_message_length", 32 * 1024 * 1024),
    ("grpc.enable_retries", 0),
)

_Response = TypeVar("_Response")


class ContainerdError(Exception):
    """containerd answered with an error; the text names the call, the status and the reason."""


class ContainerdUnavailable(ContainerdError):
    """containerd does not answer: not started, restarting, hanging, or the socket cannot be opened."""


class NotFound(ContainerdError):
    """What was asked for is not there (any more)."""


class ContainerdClient:
    """Typed calls in one containerd namespace (`k8s.io` holds what Kubernetes uses)."""

    def __init__(self, channel: grpc.aio.Channel, namespace: str, call_seconds: float = CALL_SECONDS) -> None:
        self._channel = channel
        self._call_seconds = call_seconds
        self._namespace = namespace
        self._image_recorded = False
        self._metadata = (("containerd-namespace", namespace),)

    async def leases(self) -> Sequence[pb.Lease]:
        """All leases: of pulls, and of whatever else holds one."""
        answer = await self._call("leases.v1.Leases/List", pb.ListLeasesRequest(), pb.ListLeasesResponse)
        return answer.leases

    async def lease_resources(self, lease_id: str) -> Sequence[pb.Resource]:
        """What a lease protects; raises `NotFound` when the lease has just ended."""
        request = pb.ListResourcesRequest(id=lease_id)
        answer = await self._call("leases.v1.Leases/ListResources", request, pb.ListResourcesResponse)
        return answer.resources

    async def ingests(self) -> Sequence[pb.IngestStatus]:
        """The blobs that are being written, with their offsets."""
        answer = await self._call("content.v1.Content/ListStatuses", pb.ListStatusesRequest(), pb.ListStatusesResponse)
        return answer.statuses

    async def content_info(self, digest: str) -> pb.ContentInfo:
        answer = await self._call(
            "content.v1.Content/Info", pb.ContentInfoRequest(digest=digest), pb.ContentInfoResponse
        )
        return answer.info

    async def find_content(self, digest: str) -> pb.ContentInfo | None:
        """As `content_info`; None for a blob that is not there."""
        try:
            return await self.content_info(digest)
        except NotFound:
            return None

    async def read_content(self, digest: str, size: int) -> bytes:
        """The first `size` bytes of a blob (0: all of it)."""
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
            raise _translated(error, path) from None
        return b"".join(parts)

    async def images(self, target_digests: Sequence[str] = ()) -> Sequence[pb.Image]:
        """Image records, all or those that point at one of the digests."""
        request = pb.ListImagesRequest(filters=[f"target.digest=={digest}" for digest in target_digests])
        answer = await self._call("images.v1.Images/List", request, pb.ListImagesResponse)
        return answer.images

    def image_recorded(self) -> bool:
        """Whether an image record may have been written since this was last asked."""
        recorded, self._image_recorded = self._image_recorded, False
        return recorded

    async def listen(self) -> None:
        """Hears of image records until it is cancelled: one stream for as long as containerd lives, then the next."""
        path = "/containerd.services.events.v1.Events/Subscribe"
        call = self._channel.unary_stream(
            path,
            request_serializer=pb.SubscribeRequest.SerializeToString,
            response_deserializer=len,  # that it came is all there is to know
        )
        request = pb.SubscribeRequest(filters=[f'namespace=={self._namespace},topic~="^/images/(create|update)"'])
        while True:
            try:
                async for _ in call(request, metadata=self._metadata):
                    self._image_recorded = True
            except grpc.aio.AioRpcError:
                pass  # what is wrong with containerd is told by the other calls
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def snapshot(self, snapshotter: str, key: str) -> pb.SnapshotInfo:
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
            raise _translated(error, path) from None
        return answer


@asynccontextmanager
async def connect(
    socket_path: str, namespace: str, call_seconds: float = CALL_SECONDS
) -> AsyncIterator[ContainerdClient]:
    """A client on containerd's Unix socket; opening never fails, the calls tell."""
    async with grpc.aio.insecure_channel(f"unix:{socket_path}", options=_CHANNEL_OPTIONS) as channel:
        client = ContainerdClient(channel, namespace, call_seconds)
        listening = asyncio.create_task(client.listen())
        try:
            yield client
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


def _translated(error: grpc.aio.AioRpcError, path: str) -> ContainerdError:
    text = redact(f"{path.rpartition('/')[2]}: {error.code().name}: {error.details()}")
    if error.code() is grpc.StatusCode.NOT_FOUND:
        return NotFound(text)
    if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return ContainerdUnavailable(text)
    return ContainerdError(text)
