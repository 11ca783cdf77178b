"""The two images that a cluster needs before any other: the sandbox of each pod, and a shell for test pods."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.images import Image, Layer, Publisher, file_layer
from tests.cluster.processes import run

PAUSE_SOURCE = Path(__file__).parent / "pause.c"


def push_pause(publisher: Publisher) -> Image:
    """Push the sandbox image."""
    layer = file_layer({"pause": _pause().read_bytes()})
    return publisher.push("pause", [layer], tags=("1",), entrypoint=["/pause"])


def push_busybox(publisher: Publisher, *, repository: str = "busybox", more: Sequence[Layer] = ()) -> Image:
    """Push an image with a shell and the usual small programs, and more layers when it should be bigger."""
    environment = {"PATH": "/bin"}
    return publisher.push(
        repository, [busybox_layer(), *more], tags=("1",), entrypoint=["/bin/sh", "-c"], environment=environment
    )


def busybox_layer() -> Layer:
    """Return a root file system of busybox, so that an image with this layer runs."""
    busybox = binaries.debian("busybox")
    names = run([busybox, "--list"]).split()
    files = {
        "bin/busybox": busybox.read_bytes(),
        "etc/passwd": b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
        "etc/group": b"root:x:0:\nnobody:x:65534:\n",
    }
    links = {f"bin/{name}": "busybox" for name in names if name != "busybox"}
    return file_layer(files, links=links, folders=("tmp", "proc", "sys", "dev"))


def _pause() -> Path:
    """Return the static program, compiled into the cache when it is not there."""
    digest = hashlib.sha256(PAUSE_SOURCE.read_bytes()).hexdigest()[:12]
    path = binaries.cache_root() / f"pause-{digest}" / "pause"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        run([binaries.debian("gcc"), "-O1", "-static", "-s", "-o", f"{path}.new", PAUSE_SOURCE])
        path.with_name("pause.new").replace(path)
    return path
