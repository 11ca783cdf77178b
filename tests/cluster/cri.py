"""Pulls by the kubelet's own interface, without a kubelet: the ImageService of a containerd socket.

Such a pull is a real CRI pull in every respect that containerd shows, runs beside as many others as the
test likes, and fails with the error text that a kubelet would put in a pod's status.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol, TypeVar

import grpc

from tests.cluster.proto import cri_pb2

SERVICE = "/runtime.v1.ImageService/"


class _Message(Protocol):
    def SerializeToString(self) -> bytes: ...  # noqa: N802 - protobuf's name


Answer = TypeVar("Answer", bound=_Message)


class PullFailed(RuntimeError):
    """containerd refused or gave up; the message is what a kubelet would report."""


async def pull_via_cri(socket: Path, ref: str, *, seconds: float = 600) -> str:
    """Pull an image as a kubelet does and return the image ID."""
    request = cri_pb2.PullImageRequest(image=cri_pb2.ImageSpec(image=ref))
    try:
        answer = await _call(socket, "PullImage", request, cri_pb2.PullImageResponse, seconds)
    except grpc.aio.AioRpcError as error:
        raise PullFailed(error.details() or str(error.code())) from error
    return answer.image_ref


async def remove_via_cri(socket: Path, ref: str) -> None:
    """Remove an image, with all its names, as a kubelet's garbage collection does."""
    request = cri_pb2.RemoveImageRequest(image=cri_pb2.ImageSpec(image=ref))
    await _call(socket, "RemoveImage", request, cri_pb2.RemoveImageResponse, 30)


async def image_via_cri(socket: Path, ref: str) -> cri_pb2.Image | None:
    """Return containerd's answer to a kubelet about an image, or None when the image is not present."""
    request = cri_pb2.ImageStatusRequest(image=cri_pb2.ImageSpec(image=ref))
    answer = await _call(socket, "ImageStatus", request, cri_pb2.ImageStatusResponse, 30)
    return answer.image if answer.HasField("image") else None


def pull_now(socket: Path, ref: str, *, seconds: float = 600) -> str:
    """`pull_via_cri` for tests that are not async."""
    return asyncio.run(pull_via_cri(socket, ref, seconds=seconds))


async def _call(socket: Path, method: str, request: _Message, answer: type[Answer], seconds: float) -> Answer:
    # NOTE: since grpc 1.57 the authority of a unix socket is its escaped path, which Go servers may refuse.
    options = [("grpc.default_authority", "localhost")]
    async with grpc.aio.insecure_channel(f"unix:{socket}", options=options) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[_Message, Answer] = channel.unary_unary(
            SERVICE + method,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,  # type: ignore[attr-defined]
        )
        return await call(request, timeout=seconds)
