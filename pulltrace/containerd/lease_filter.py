"""Which leases and image records are of pulls, and how to read containerd's names and times."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pulltrace.containerd.proto import containerd_pb2 as pb
from pulltrace.pulls.lease_format.values import MAX_START
from pulltrace.pulls.redaction import redact_name

EXPIRY_LABEL = "containerd.io/gc.expire"
"""containerd's client labels the leases of one operation, such as a pull, with it."""

CRI_LABEL = "io.cri-containerd.image"

_CONTAINER_LEASE = re.compile(r"[0-9a-f]{64}")


def is_pull(lease: pb.Lease) -> bool:
    """Return whether the lease is of one operation, and not of the start of the container or sandbox with its id."""
    return EXPIRY_LABEL in lease.labels and not _CONTAINER_LEASE.fullmatch(lease.id)


def incomplete_records(images: Sequence[pb.Image]) -> list[pb.Image]:
    """Return the records of Kubernetes' pulls that have not succeeded, or not yet.

    The CRI plugin writes a record of the requested name, and then one that is named after the image's ID. A pull that
    fails between the two leaves the first: containerd 1.6 records an artefact before it refuses to unpack it.
    """
    with_id = {image.target.digest for image in images if image.name.startswith("sha256:")}
    return [image for image in images if CRI_LABEL in image.labels and image.target.digest not in with_id]


def image_name(image: pb.Image) -> str:
    """Return the record's name without credentials: containerd's own clients accept any name."""
    return redact_name(image.name)


def ingest_digest(ref: str) -> str:
    """Return the digest of a download: `sha256:abc` of `layer-sha256:abc`."""
    return ref.partition("-")[2]


def unix_seconds(timestamp: pb.Timestamp) -> float:
    """Return Unix seconds within the bounds of a report: a clock that is centuries ahead must not hide a pull."""
    return min(max(0.0, float(timestamp.seconds) + timestamp.nanos / 1e9), MAX_START - 1)
