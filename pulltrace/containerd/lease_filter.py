"""How to read what containerd keeps: its leases, the names of its downloads, its times."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pulltrace.containerd.proto import containerd_pb2 as pb
from pulltrace.pulls.lease_format.values import LAST_START
from pulltrace.pulls.redaction import redact_name

EXPIRY_LABEL = "containerd.io/gc.expire"
"""containerd's client puts it on the leases that it makes for one operation, such as a pull."""

CRI_LABEL = "io.cri-containerd.image"

_CONTAINER_LEASE = re.compile(r"[0-9a-f]{64}")


def is_pull(lease: pb.Lease) -> bool:
    """Leases of one operation, less those that a container or sandbox start holds (their id is its id)."""
    return EXPIRY_LABEL in lease.labels and not _CONTAINER_LEASE.fullmatch(lease.id)


def half_recorded(images: Sequence[pb.Image]) -> list[pb.Image]:
    """Records of pulls for Kubernetes that have not succeeded, or not yet.

    The CRI plugin records what was asked for, and only then the image's ID, as its name. A pull that fails between the two
    (containerd 1.6 refuses to unpack an artefact when it has recorded it) leaves the first record behind.
    """
    with_id = {image.target.digest for image in images if image.name.startswith("sha256:")}
    return [image for image in images if CRI_LABEL in image.labels and image.target.digest not in with_id]


def image_name(image: pb.Image) -> str:
    """The name of an image record without credentials: containerd's own clients may call an image anything."""
    return redact_name(image.name)


def ref_digest(ref: str) -> str:
    """`layer-sha256:abc` is the download of `sha256:abc`."""
    return ref.partition("-")[2]


def seconds(timestamp: pb.Timestamp) -> float:
    """Unix seconds within what a report may hold: a clock that is centuries ahead must not cost a pull its row."""
    return min(max(0.0, _seconds(timestamp)), LAST_START - 1)


def _seconds(timestamp: pb.Timestamp) -> float:
    return float(timestamp.seconds) + timestamp.nanos / 1e9
