"""A containerd: a real gRPC server on a Unix socket, over a node that a test writes by hand.

It serves the calls that Pulltrace makes. `pull` leaves on the node what a real pull leaves there, step by
step; `tests/conformance/test_containerd.py` holds the two together. Faults are what a real one does rarely:
errors, hanging, and things that end between two calls.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from pulltrace.containerd.lease_filter import CRI_LABEL
from pulltrace.containerd.manifests import chain_ids
from pulltrace.containerd.observation import LAZY_LABEL
from pulltrace.containerd.proto import containerd_pb2 as pb

NAMESPACE = "k8s.io"
SNAPSHOTTER = "overlayfs"
EXPIRY = {"containerd.io/gc.expire": "2030-01-01T00:00:00Z"}
_ANSWERS = {
    "leases.v1.Leases/List": pb.ListLeasesRequest,
    "leases.v1.Leases/ListResources": pb.ListResourcesRequest,
    "content.v1.Content/ListStatuses": pb.ListStatusesRequest,
    "content.v1.Content/Info": pb.ContentInfoRequest,
    "content.v1.Content/Read": pb.ReadContentRequest,
    "images.v1.Images/List": pb.ListImagesRequest,
    "snapshots.v1.Snapshots/Stat": pb.StatSnapshotRequest,
}


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def timestamp(seconds: float) -> pb.Timestamp:
    whole = int(seconds)
    return pb.Timestamp(seconds=whole, nanos=round((seconds - whole) * 1e9))


@dataclass
class Lease:
    created_at: float
    labels: dict[str, str] = field(default_factory=lambda: dict(EXPIRY))
    resources: list[tuple[str, str]] = field(default_factory=list)
    """Type and id."""


@dataclass
class Blob:
    data: bytes
    created_at: float
    labels: dict[str, str] = field(default_factory=dict)
    size: int | None = None
    """When it differs from that of the data: layers are not read, so a large one needs no bytes."""


@dataclass
class Ingest:
    started_at: float
    offset: int = 0
    total: int = 0


@dataclass
class Record:
    digest: str
    updated_at: float
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FakeImage:
    """An image in a registry: its blobs, bottom layer first."""

    repository: str
    layers: tuple[tuple[str, int], ...]
    """Digest and size."""
    config: bytes
    manifest: bytes
    index: bytes | None

    @property
    def target_digest(self) -> str:
        return digest_of(self.index or self.manifest)

    @property
    def chain(self) -> tuple[str, ...]:
        return chain_ids(json.loads(self.config)["rootfs"]["diff_ids"])


def image(repository: str = "docker.io/library/nginx", *layers: tuple[str, int], index: bool = True) -> FakeImage:
    """Return an image of layers with a name (of which the digest is made) and a size."""
    made = tuple((digest_of(name.encode()), size) for name, size in layers)
    diff_ids = [digest_of(f"{name} unpacked".encode()) for name, _ in layers]
    config = json.dumps({"os": "linux", "of": repository, "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": {"digest": digest_of(config), "size": len(config)},
            "layers": [{"digest": digest, "size": size} for digest, size in made],
        }
    ).encode()
    listed = json.dumps({"schemaVersion": 2, "manifests": [{"digest": digest_of(manifest)}]}).encode()
    return FakeImage(repository, made, config, manifest, listed if index else None)


class FakeContainerd:
    """A node, and what goes wrong with the calls that ask about it."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.now: Callable[[], float] = time.time
        self.leases: dict[str, Lease] = {}
        self.blobs: dict[str, Blob] = {}
        self.ingests: dict[str, Ingest] = {}
        self.snapshots: dict[tuple[str, str], float] = {}
        self.lazy_snapshots: set[str] = set()
        """Chain IDs that carry the label of lazy snapshotters."""
        self.images: dict[str, Record] = {}
        self.calls: list[str] = []
        """The calls that came, such as `Leases/List`."""
        self.errors: dict[str, grpc.StatusCode] = {}
        """The status that a call answers, until it is removed; `*` is every call."""
        self.hanging: set[str] = set()
        """Calls that are never answered; `*` is every call."""
        self.before: dict[str, Callable[[], None]] = {}
        """An action on the node right before the answer of a call, once."""
        self._server: grpc.aio.Server | None = None

    # -- the node ------------------------------------------------------------------------------

    def pull(self, image: FakeImage, lease: str = "pull-1") -> FakePull:
        return FakePull(self, image, lease)

    def hold(self, lease: str, kind: str, name: str) -> None:
        if (kind, name) not in self.leases[lease].resources:
            self.leases[lease].resources.append((kind, name))

    def release(self, lease: str, kind: str, name: str) -> None:
        if (kind, name) in self.leases[lease].resources:
            self.leases[lease].resources.remove((kind, name))

    def store(self, data: bytes, *, repository: str | None = None, size: int | None = None, digest: str = "") -> str:
        """Put a blob on the node."""
        digest = digest or digest_of(data)
        labels = {}
        if repository:
            host, _, path = repository.partition("/")
            labels[f"containerd.io/distribution.source.{host}"] = path
        self.blobs.setdefault(digest, Blob(data, self.now(), labels, size)).labels.update(labels)
        return digest

    # -- the server ----------------------------------------------------------------------------

    async def start(self) -> None:
        self._server = grpc.aio.server()
        services: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {}
        for path, request in _ANSWERS.items():
            service, _, method = path.partition("/")
            make = grpc.unary_stream_rpc_method_handler if method == "Read" else grpc.unary_unary_rpc_method_handler
            services.setdefault(service, {})[method] = make(
                self._answering(path),
                request_deserializer=request.FromString,
                response_serializer=lambda answer: answer.SerializeToString(),
            )
        for service, methods in services.items():
            handler = grpc.method_handlers_generic_handler(f"containerd.services.{service}", methods)
            self._server.add_generic_rpc_handlers((handler,))
        self._server.add_insecure_port(f"unix:{self.socket}")
        await self._server.start()

    async def stop(self) -> None:
        """Go away as a containerd that ends does: the socket is gone, calls under way break."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None
        self.socket.unlink(missing_ok=True)

    def _answering(self, path: str) -> Callable[[Any, Any], Any]:
        service, _, method = path.partition("/")
        name = f"{service.rpartition('.')[2]}/{method}"
        answer = getattr(self, f"_{name.replace('/', '_').lower()}")

        async def unary(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            await self._check(name, context)
            return await answer(request, context)

        async def stream(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            await self._check(name, context)
            async for part in answer(request, context):
                yield part

        return stream if method == "Read" else unary

    async def _check(self, name: str, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self.calls.append(name)
        metadata = {str(key): value for key, value in context.invocation_metadata() or ()}
        if metadata.get("containerd-namespace") != NAMESPACE:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "namespace is required")
        if self.hanging & {name, "*"}:
            await asyncio.Event().wait()
        if happens := self.before.pop(name, None):
            happens()
        if code := self.errors.get(name) or self.errors.get("*"):
            await context.abort(code, f"{name} is set to fail")

    # -- what is asked -------------------------------------------------------------------------

    async def _leases_list(self, request: pb.ListLeasesRequest, context: object) -> pb.ListLeasesResponse:
        return pb.ListLeasesResponse(
            leases=[
                pb.Lease(id=name, created_at=timestamp(lease.created_at), labels=lease.labels)
                for name, lease in self.leases.items()
            ]
        )

    async def _leases_listresources(self, request: pb.ListResourcesRequest, context: Any) -> pb.ListResourcesResponse:
        if request.id not in self.leases:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"lease {request.id}: not found")
        held = sorted(self.leases[request.id].resources)
        return pb.ListResourcesResponse(resources=[pb.Resource(id=name, type=kind) for kind, name in held])

    async def _content_liststatuses(self, request: pb.ListStatusesRequest, context: Any) -> pb.ListStatusesResponse:
        return pb.ListStatusesResponse(
            statuses=[
                pb.IngestStatus(
                    ref=ref,
                    offset=ingest.offset,
                    total=ingest.total,
                    started_at=timestamp(ingest.started_at),
                    updated_at=timestamp(self.now()),
                )
                for ref, ingest in self.ingests.items()
            ]
        )

    async def _blob(self, digest: str, context: Any) -> Blob:
        if digest not in self.blobs:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"content {digest}: not found")
        return self.blobs[digest]

    async def _content_info(self, request: pb.ContentInfoRequest, context: Any) -> pb.ContentInfoResponse:
        blob = await self._blob(request.digest, context)
        size = len(blob.data) if blob.size is None else blob.size
        info = pb.ContentInfo(
            digest=request.digest, size=size, created_at=timestamp(blob.created_at), labels=blob.labels
        )
        return pb.ContentInfoResponse(info=info)

    async def _content_read(
        self, request: pb.ReadContentRequest, context: Any
    ) -> AsyncIterator[pb.ReadContentResponse]:
        blob = await self._blob(request.digest, context)
        data = blob.data[request.offset :][: request.size or None]
        for start in range(0, len(data), 64):  # a real one sends 1 MiB at a time: readers must join
            yield pb.ReadContentResponse(offset=request.offset + start, data=data[start : start + 64])

    async def _images_list(self, request: pb.ListImagesRequest, context: object) -> pb.ListImagesResponse:
        return pb.ListImagesResponse(
            images=[
                pb.Image(
                    name=name,
                    labels=record.labels,
                    target=pb.Descriptor(digest=record.digest),
                    updated_at=timestamp(record.updated_at),
                )
                for name, record in self.images.items()
            ]
        )

    async def _snapshots_stat(self, request: pb.StatSnapshotRequest, context: Any) -> pb.StatSnapshotResponse:
        key = (request.snapshotter, request.key)
        if key not in self.snapshots:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"snapshot {request.key} does not exist: not found")
        labels = {LAZY_LABEL: "remote snapshot"} if request.key in self.lazy_snapshots else {}
        created_at = timestamp(self.snapshots[key])
        return pb.StatSnapshotResponse(
            info=pb.SnapshotInfo(name=request.key, kind=3, created_at=created_at, labels=labels)
        )


class FakePull:
    """A pull, step by step."""

    def __init__(self, node: FakeContainerd, image: FakeImage, lease: str) -> None:
        self.node = node
        self.image = image
        self.lease = lease
        node.leases[lease] = Lease(node.now())

    def fetch(self, data: bytes, kind: str) -> None:
        """One of the small blobs."""
        digest = self.node.store(data, repository=self.image.repository)
        self.node.hold(self.lease, "content", digest)

    def resolve(self, *, config: bool = True) -> FakePull:
        """Index, manifest and config are fetched."""
        if self.image.index is not None:
            self.fetch(self.image.index, "index")
        self.fetch(self.image.manifest, "manifest")
        if config:
            self.fetch(self.image.config, "config")
        return self

    def download(self, number: int, offset: int) -> FakePull:
        """Download a layer; one that another pull downloads has one ingest, which both leases hold."""
        digest, size = self.image.layers[number]
        ref = f"layer-{digest}"
        self.node.ingests.setdefault(ref, Ingest(self.node.now(), total=size)).offset = offset
        self.node.hold(self.lease, "ingests", ref)
        return self

    def commit(self, number: int) -> FakePull:
        """Complete a layer. When two pulls wait for it, only the one that wrote it holds it at first."""
        digest, size = self.image.layers[number]
        self.node.ingests.pop(f"layer-{digest}", None)
        self.node.release(self.lease, "ingests", f"layer-{digest}")
        self.node.store(b"\x1f\x8b", repository=self.image.repository, size=size, digest=digest)
        self.node.hold(self.lease, "content", digest)
        return self

    def unpacking(self, number: int) -> FakePull:
        self.node.hold(self.lease, f"snapshots/{SNAPSHOTTER}", f"extract-1-Ab {self.image.chain[number]}")
        return self

    def unpack(self, number: int) -> FakePull:
        kind, chain_id = f"snapshots/{SNAPSHOTTER}", self.image.chain[number]
        self.node.release(self.lease, kind, f"extract-1-Ab {chain_id}")
        self.node.hold(self.lease, kind, chain_id)
        self.node.snapshots.setdefault((SNAPSHOTTER, chain_id), self.node.now())
        return self

    def end(self) -> None:
        """Remove the lease, whether the pull succeeded or not."""
        self.node.leases.pop(self.lease, None)

    def record(self, *names: str, managed: bool = False) -> None:
        """Record the image under its names; `managed` by the CRI plugin, whose last name is the image's ID."""
        labels = {CRI_LABEL: "managed"} if managed else {}
        for name in names:
            self.node.images[name] = Record(self.image.target_digest, self.node.now(), labels)

    def complete(self, *names: str) -> None:
        """Everything that is left to do, to the good end."""
        self.resolve()
        for number in range(len(self.image.layers)):
            self.commit(number).unpack(number)
        self.record(*(names or (f"{self.image.repository}:latest",)))
        self.end()


@asynccontextmanager
async def running() -> AsyncIterator[FakeContainerd]:
    """Run a containerd that answers, with an empty node."""
    # NOTE: the path of a Unix socket is short, and pytest's folders may be deep.
    with tempfile.TemporaryDirectory(prefix="containerd-") as folder:
        fake = FakeContainerd(Path(folder) / "containerd.sock")
        await fake.start()
        try:
            yield fake
        finally:
            await fake.stop()


async def until(poll: Callable[[], Awaitable[Any]], deadline_seconds: float = 20.0) -> Any:
    """Return the first true result of `poll`."""
    async with asyncio.timeout(deadline_seconds):
        while not (found := await poll()):
            await asyncio.sleep(0.02)
        return found
