"""`pulltrace standalone` beside a real containerd: its rows agree with containerd."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.containerd import Containerd
from tests.cluster.cri import pull_via_cri
from tests.cluster.faults import Fault
from tests.cluster.images import Image
from tests.cluster.processes import wait_until
from tests.cluster.proxy import Proxy
from tests.real.conftest import MB
from tests.real.programs import RUNNING, Row, Server

pytestmark = pytest.mark.real


@pytest.fixture
def standalone(containerd: Containerd, tmp_path: Path) -> Iterator[Server]:
    """Run Pulltrace on this containerd."""
    with Server("standalone", tmp_path, "--containerd-socket", containerd.socket, "--node-name", "node-1") as server:
        yield server


@contextmanager
def ctr_pull(containerd: Containerd, ref: str) -> Iterator[subprocess.Popen[str]]:
    """Run `ctr images pull` in the background; it ends with the block."""
    command = [str(containerd.ctr_program), "--address", str(containerd.socket), "-n", "k8s.io", "images", "pull"]
    hosts = ["--hosts-dir", str(containerd.folder / "registries")]
    pull = subprocess.Popen([*command, *hosts, ref], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        yield pull
    finally:
        pull.kill()
        pull.communicate()


def repository(image: Image) -> str:
    return image.ref.rpartition(":")[0]


def row_of(rows: list[Row], image: Image) -> Row:
    (row,) = [row for row in rows if row["imageRef"] in (image.ref, repository(image))]
    return row


def test_two_pulls_at_once(standalone: Server, containerd: Containerd, proxy: Proxy, app: Image, tool: Image) -> None:
    """Two pulls through ctr are two rows with their own repository, size, layers and phase, then two completed ones."""
    proxy.set_rate(4 * MB)
    with (
        standalone.stream() as stream,
        ctr_pull(containerd, app.ref) as first,
        ctr_pull(containerd, tool.ref) as second,
    ):
        rows = standalone.wait_for(
            lambda rows: len([row for row in rows if row["phase"] == "downloading" and row["downloadedBytes"]]) == 2,
            "two moving downloads",
        )
        for image in (app, tool):
            row = row_of(rows, image)
            assert row["imageRef"] == repository(image)
            assert row["digest"] == image.target_digest
            assert (row["totalKnown"], row["totalBytes"]) == (True, image.size)
            assert [layer["digest"] for layer in row["layers"]] == [layer.digest[:19] for layer in image.layers]
            assert [layer["totalBytes"] for layer in row["layers"]] == [layer.size for layer in image.layers]
        assert (first.wait(60), second.wait(60)) == (0, 0)
        rows = standalone.ended(2)
    for image in (app, tool):
        row = row_of(rows, image)
        assert (row["imageRef"], row["nameKnown"], row["phase"]) == (image.ref, True, "completed")
        assert row["downloadedBytes"] == row["totalBytes"] == image.size
        progress = [event["pull"]["downloadedBytes"] for _, event in stream.of(row["id"])]
        assert progress == sorted(progress)
        assert len(set(progress)) > 3


@pytest.mark.parametrize("status", [401, 404, 500])
def test_refused_pull_fails(standalone: Server, containerd: Containerd, proxy: Proxy, app: Image, status: int) -> None:
    """A registry that answers with an error makes the pull a failed one, never a completed one."""
    proxy.add(Fault("/manifests/", status=status, hang_seconds=2))
    with ctr_pull(containerd, app.ref) as pull:
        standalone.wait_for(lambda rows: [row["phase"] for row in rows] == ["resolving"], "a resolving pull")
        assert pull.wait(60) != 0
        (row,) = standalone.ended(1)
    assert row["phase"] == "failed"
    assert standalone.metrics()["pulltrace_pull_errors_total"] == 1


async def cancel_midway(standalone: Server, containerd: Containerd, ref: str) -> None:
    """Cancel a CRI pull once bytes have come, as a kubelet does at its timeout."""
    pull = asyncio.create_task(pull_via_cri(containerd.socket, ref))
    moving = asyncio.to_thread(standalone.wait_for, lambda rows: any(row["downloadedBytes"] for row in rows), "bytes")
    await moving
    assert not pull.done()
    pull.cancel()
    await asyncio.gather(pull, return_exceptions=True)


def test_cancelled_pull_fails(standalone: Server, containerd: Containerd, proxy: Proxy, app: Image) -> None:
    """A pull that is cancelled midway ends as failed, with the bytes that it had."""
    proxy.set_rate(2 * MB)
    asyncio.run(cancel_midway(standalone, containerd, app.ref))
    (row,) = standalone.ended(1)
    assert row["phase"] == "failed"
    assert 0 < row["downloadedBytes"] < app.size
    assert row["percent"] < 100


def test_restart_resumes_the_row(containerd: Containerd, proxy: Proxy, app: Image, tmp_path: Path) -> None:
    """A restart in the middle of a pull finds the same row again: same id, same start, no fewer bytes."""
    proxy.set_rate(3 * MB)
    server = Server("standalone", tmp_path, "--containerd-socket", containerd.socket, "--node-name", "node-1")
    with ctr_pull(containerd, app.ref) as pull:
        with server:
            (before,) = server.wait_for(lambda rows: any(row["downloadedBytes"] > 2 * MB for row in rows), "bytes")
        with server:
            (after,) = server.wait_for(bool, "the row")
            assert (after["id"], after["startedAt"]) == (before["id"], before["startedAt"])
            assert after["phase"] in RUNNING
            assert after["downloadedBytes"] >= before["downloadedBytes"]
            assert pull.wait(60) == 0
            (row,) = server.ended(1)
    assert (row["id"], row["phase"], row["imageRef"]) == (before["id"], "completed", app.ref)


def test_containerd_killed_midway(standalone: Server, containerd: Containerd, proxy: Proxy, app: Image) -> None:
    """A containerd that is killed in the middle of a pull does not make the pull look done, and its orphan
    is no pull.
    """
    proxy.set_rate(2 * MB)
    with ctr_pull(containerd, app.ref) as pull:
        standalone.wait_for(lambda rows: any(row["downloadedBytes"] > 0 for row in rows), "bytes")
        containerd.kill()
        assert pull.wait(30) != 0
        containerd.start()
        (row,) = standalone.ended(1)
    assert row["phase"] == "failed"


def test_layer_events(standalone: Server, containerd: Containerd, proxy: Proxy, app: Image) -> None:
    """With layers=true the stream reports when each layer starts, moves on and is complete."""
    proxy.set_rate(6 * MB)
    with standalone.stream("?layers=true") as stream, ctr_pull(containerd, app.ref) as pull:
        assert pull.wait(60) == 0
        standalone.ended(1)

        def completed() -> bool:
            return len([1 for _, event in stream.events if event["type"] == "layer.completed"]) == len(app.layers)

        wait_until(completed, "every layer to be complete")
    for kind in ("layer.started", "layer.progress", "layer.completed"):
        digests = {event["layer"]["digest"] for _, event in stream.events if event["type"] == kind}
        assert digests <= {layer.digest[:19] for layer in app.layers}
        assert digests
