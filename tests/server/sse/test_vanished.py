"""A subscriber that vanishes silently, over a network of its own whose link goes down."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator

import pytest

from pulltrace.server.app import create_app
from tests.builders.views import pull_view
from tests.cluster import binaries
from tests.fakes.pull_source import FakePullSource
from tests.server.serve import serving
from tests.server.waiting import until

pytestmark = [pytest.mark.real("ip", "nsenter"), pytest.mark.timeout(90, func_only=True)]

NAMESPACE = "pulltrace-gone"
OURS, THEIRS = "10.231.255.1", "10.231.255.2"
PROMISED_SECONDS = 30.0
WATCH = """
import socket
with socket.create_connection(("%s", %d)) as viewer:
    viewer.sendall(b"GET /api/v1/events HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    while viewer.recv(65536):
        pass
"""


def ip(*arguments: str) -> None:
    subprocess.run([binaries.debian("ip"), *arguments], check=True, capture_output=True, timeout=30)


@pytest.fixture
def elsewhere() -> Iterator[list[str]]:
    """Yield the start of a command that runs on the other end of a link."""
    ip("netns", "add", NAMESPACE)
    try:
        ip("link", "add", "pt-gone", "type", "veth", "peer", "name", "eth0", "netns", NAMESPACE)
        ip("address", "add", f"{OURS}/30", "dev", "pt-gone")
        ip("link", "set", "pt-gone", "up")
        ip("-n", NAMESPACE, "address", "add", f"{THEIRS}/30", "dev", "eth0")
        ip("-n", NAMESPACE, "link", "set", "eth0", "up")
        yield [str(binaries.debian("nsenter")), f"--net=/var/run/netns/{NAMESPACE}", "--"]
    finally:
        ip("netns", "delete", NAMESPACE)


async def test_vanished_subscriber_is_removed(elsewhere: list[str]) -> None:
    """Nothing changes and the client is silent as always: 30 s after it vanished the server has removed it."""
    app = create_app(FakePullSource(pull_view()))
    async with serving(app, f"{OURS}:0") as port:
        viewer = await asyncio.create_subprocess_exec(*elsewhere, "python3", "-c", WATCH % (OURS, port))
        await until(lambda: app.stream.subscribers == 1)
        ip("-n", NAMESPACE, "link", "set", "eth0", "down")
        began = asyncio.get_running_loop().time()
        await until(lambda: not app.stream.subscribers, deadline_seconds=PROMISED_SECONDS)
        print(f"\nremoved after {asyncio.get_running_loop().time() - began:.1f} s")
        viewer.kill()
        await viewer.wait()
