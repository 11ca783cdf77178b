"""The JSON of API version 1, declared once as types: rows, documents and events of the stream.

The serializers return these types, so mypy compares both. The JSON Schemas of the OpenAPI document and of
docs/events.schema.json come from these types, and the page's TypeScript types come from the OpenAPI document.
docs/http-api.md explains the fields. A later release may add fields, so the schemas allow further ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NotRequired, TypeAlias, TypedDict

from pulltrace.pulls.failures import Reason
from pulltrace.pulls.model import LayerState, Phase
from pulltrace.pulls.view import NeedState, PodState
from pulltrace.server.json.stream_events import LayerKind, PodKind, PullKind

Version: TypeAlias = Literal["v1"]
Count: TypeAlias = Annotated[int, {"minimum": 0}]
Seconds: TypeAlias = Annotated[float, {"minimum": 0}]
Share: TypeAlias = Annotated[float, {"minimum": 0, "maximum": 1}]
Percent: TypeAlias = Annotated[float, {"minimum": 0, "maximum": 100}]
Time: TypeAlias = Annotated[str, {"format": "date-time"}]
EtaRange: TypeAlias = Annotated[
    tuple[Count, Annotated[int | None, {"minimum": 0}]],
    {"description": "Soonest and latest; null where the latest is unknown."},
]


class Workload(TypedDict):
    """The controller that a pod belongs to; for a bare pod the pod itself."""

    namespace: str
    kind: str
    name: str


class WaitingContainer(TypedDict):
    """A container that waits for the image of a pull."""

    namespace: str
    podName: str
    container: str
    image: str
    workload: NotRequired[Workload]


class Failure(TypedDict):
    """The reason why the last attempt failed, and when the kubelet retries."""

    reason: Reason
    message: str
    advice: str
    tries: Count
    retryAt: NotRequired[Time]


class Layer(TypedDict):
    """A layer of a running pull."""

    pullId: str
    digest: str
    state: LayerState
    totalBytes: Count
    downloadedBytes: Count
    percent: Percent
    totalKnown: bool


class Pull(TypedDict):
    """A pull of one image on one node."""

    id: str
    nodeName: str
    imageRef: str
    nameKnown: bool
    imageCandidates: Sequence[str]
    repositories: Sequence[str]
    phase: Phase
    stale: bool
    totalKnown: bool
    totalBytes: Count
    downloadedBytes: Count
    cachedBytes: Count
    lazyBytes: Count
    unpackedBytes: Count
    bytesPerSec: Count
    percent: Percent
    layerCount: Count
    layersDone: Count
    startedAt: Time
    progressedAt: Time
    pods: Sequence[WaitingContainer]
    etaSeconds: NotRequired[Count]
    etaRangeSeconds: NotRequired[EtaRange]
    completedAt: NotRequired[Time]
    error: NotRequired[str]
    failure: NotRequired[Failure]
    reachedContainerd: NotRequired[Literal[False]]
    digest: NotRequired[str]
    layers: NotRequired[Sequence[Layer]]


class Need(TypedDict):
    """An image that a pod still waits for."""

    container: str
    role: str
    image: str
    state: NeedState
    behind: Sequence[Ahead]
    pullId: NotRequired[str]
    failure: NotRequired[Failure]
    etaSeconds: NotRequired[Count]
    etaRangeSeconds: NotRequired[EtaRange]


class Ahead(TypedDict):
    """An image that the kubelet pulls first."""

    image: str
    pullId: NotRequired[str]


class Pod(TypedDict):
    """A pod that waits for images, or has waited within the retention time."""

    namespace: str
    podName: str
    uid: str
    nodeName: str
    workload: Workload
    state: PodState
    estimatedAt: Time
    images: Sequence[Need]
    moreImages: NotRequired[Count]
    waitingSince: NotRequired[Time]
    readyAt: NotRequired[Time]
    endedAt: NotRequired[Time]
    etaSeconds: NotRequired[Count]
    etaRangeSeconds: NotRequired[EtaRange]


class Node(TypedDict):
    """A node that runs an agent."""

    nodeName: str
    lastReportSeconds: Seconds
    stale: bool
    bytesPerSec: Count
    pulling: Count
    queued: Count
    failing: Count
    parallel: bool
    trouble: NotRequired[str]


class WorkloadSummary(TypedDict):
    """The pods of a workload, counted."""

    workload: Workload
    pods: Count
    ready: Count
    failing: Count
    images: Sequence[str]
    readyAt: NotRequired[Time]
    slowestNode: NotRequired[str]
    etaSeconds: NotRequired[Count]
    etaRangeSeconds: NotRequired[EtaRange]


class Head(TypedDict):
    """The first fields of every document and event."""

    schemaVersion: Version
    timestamp: Time


class Document(Head):
    """An answer with rows; `synced` is false until the aggregator has listed the Leases."""

    synced: bool


class PullList(Document):
    """The answer of `GET /api/v1/pulls`."""

    pulls: Sequence[Pull]
    nextCursor: NotRequired[str]


class PullDocument(Document):
    """The answer of `GET /api/v1/pulls/{pullId}`."""

    pull: Pull


class PodList(Document):
    """The answer of `GET /api/v1/pods`."""

    pods: Sequence[Pod]
    nextCursor: NotRequired[str]


class PodDocument(Document):
    """The answer of `GET /api/v1/pods/{namespace}/{name}`."""

    pod: Pod


class WorkloadList(Document):
    """The answer of `GET /api/v1/workloads`."""

    workloads: Sequence[WorkloadSummary]


class NodeList(Document):
    """The answer of `GET /api/v1/nodes`."""

    nodes: Sequence[Node]


class WaitResult(Head):
    """The answer of `GET /api/v1/wait`."""

    ready: bool
    timedOut: bool
    pod: NotRequired[Pod]
    workload: NotRequired[WorkloadSummary]


class Thresholds(Head):
    """The answer of `GET /api/v1/thresholds`; `pulls.thresholds` defines the limits."""

    stalledSeconds: Seconds
    slowShare: Share
    longSeconds: Seconds
    extrapolatedSeconds: Seconds
    retentionSeconds: Seconds


class Problem(TypedDict):
    """An error as RFC 9457 defines it; `http.problems` writes it."""

    type: str
    title: str
    status: Annotated[int, {"minimum": 400, "maximum": 599}]
    detail: NotRequired[str]
    parameter: NotRequired[str]
    value: NotRequired[str]
    allowed: NotRequired[Sequence[str]]


class Snapshot(Head):
    """The first event of a stream: all rows that the subscriber selected."""

    type: Literal["snapshot"]
    synced: bool
    pulls: Sequence[Pull]
    pods: NotRequired[Sequence[Pod]]


class Resumed(Head):
    """The first event of a resumed stream; the missed events follow."""

    type: Literal["resumed"]
    synced: bool


class PullEvent(Head):
    """A pull that changed."""

    type: PullKind
    nodeName: str
    pull: Pull


class PodEvent(Head):
    """A pod that changed."""

    type: PodKind
    nodeName: str
    pod: Pod


class LayerEvent(Head):
    """A layer that changed, and its pull without layers."""

    type: LayerKind
    nodeName: str
    pull: Pull
    layer: Layer


ROWS = (Workload, WaitingContainer, Failure, Layer, Pull, Need, Ahead, Pod, Node, WorkloadSummary)
DOCUMENTS = (PullList, PullDocument, PodList, PodDocument, WorkloadList, NodeList, WaitResult, Thresholds, Problem)
EVENTS = (Snapshot, Resumed, PullEvent, PodEvent, LayerEvent)
