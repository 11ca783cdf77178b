"""The JSON blobs of a node, each fetched and parsed once, and the repositories that they come from."""

from __future__ import annotations

from collections.abc import Iterable

from pulltrace.containerd.client import ContainerdClient, NotFound
from pulltrace.containerd.manifests import MAX_BLOB_BYTES, Blob, Opaque, parse_blob, repositories
from pulltrace.containerd.proto import containerd_pb2 as pb


class BlobCache:
    """Parsed blobs by digest. Blobs never change."""

    def __init__(self, client: ContainerdClient) -> None:
        self._client = client
        self._blobs: dict[str, Blob] = {}

    async def get(self, digest: str) -> Blob | None:
        """Return the blob; None when it is not present."""
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
        """Return where a pull's blobs come from: the repositories that the labels of all of them share."""
        shared: set[str] = set()
        for digest in filter(None, digests):
            info = await self._client.find_content(digest) or pb.ContentInfo()
            shared = shared & (sources := repositories(info.labels)) or sources or shared
        return tuple(sorted(shared))

    def clear(self) -> None:
        """Free the memory."""
        self._blobs.clear()
