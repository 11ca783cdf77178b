"""The JSON blobs of a node, each fetched and parsed once, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable

from pulltrace.containerd.client import ContainerdClient, NotFound
from pulltrace.containerd.manifests import MAX_BLOB_BYTES, Blob, Opaque, parse_blob, repositories
from pulltrace.containerd.proto import containerd_pb2 as pb


class Blobs:
    """Blobs never change, so what has been read stays true."""

    def __init__(self, client: ContainerdClient) -> None:
        self._client = client
        self._blobs: dict[str, Blob] = {}

    async def get(self, digest: str) -> Blob | None:
        """None when it is not there (yet, or any more)."""
        if (blob := self._blobs.get(digest)) is None:
            try:
                small = (await self._client.content_info(digest)).size <= MAX_BLOB_BYTES
                is_json = small and await self._client.read_content(digest, 1) == b"{"
                blob = parse_blob(await self._client.read_content(digest, 0)) if is_json else Opaque()
            except NotFound:
                return None
            self._blobs[digest] = blob
        return blob

    async def repositories(self, digests: Iterable[str | None]) -> tuple[str, ...]:
        """Where a pull's blobs come from: what the labels of all of these agree on."""
        agreed: set[str] = set()
        for digest in filter(None, digests):
            info = await self._client.find_content(digest) or pb.ContentInfo()
            agreed = agreed & (sources := repositories(info.labels)) or sources or agreed
        return tuple(sorted(agreed))

    def forget(self) -> None:
        """Give the memory back; what is wanted again is read again."""
        self._blobs.clear()
