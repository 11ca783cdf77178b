"""The script of `helm test`: it waits until an agent has reported, which an idle agent does within the start spread."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.deploy.manifests import CHART

SCRIPT = CHART / "files/test.py.txt"
REPORTED = 'pulltrace_node_last_report_age_seconds{node="node-1"} 1.0\n'
PAGES = {"/readyz": "ok\n", "/api/v1/pulls": '{"schemaVersion": "v1"}', "/": '<div id="root">'}


class Aggregator(ThreadingHTTPServer):
    """Serves what the script reads; the first scrapes find no report."""

    scrapes_without_report = 0

    def page(self, path: str) -> str:
        if path != "/metrics":
            return PAGES[path]
        self.scrapes_without_report -= 1
        return REPORTED if self.scrapes_without_report < 0 else "pulltrace_leader 1.0\n"


class Handler(BaseHTTPRequestHandler):
    server: Aggregator

    def do_GET(self) -> None:
        body = self.server.page(self.path).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the output of the tests clean."""


@pytest.fixture
def aggregator() -> Iterator[Aggregator]:
    with Aggregator(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def run(aggregator: Aggregator, start_spread: str, script: str = "") -> subprocess.CompletedProcess[str]:
    url = f"http://127.0.0.1:{aggregator.server_port}"
    environ = {**os.environ, "PULLTRACE": url, "METRICS": f"{url}/metrics", "START_SPREAD": start_spread}
    command = [sys.executable, "-c", script or SCRIPT.read_text()]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)


def test_it_waits_for_the_first_report(aggregator: Aggregator) -> None:
    """Idle agents of a new install have not reported yet; the next try finds a report."""
    aggregator.scrapes_without_report = 1
    ended = run(aggregator, "30s")

    assert (ended.returncode, ended.stderr) == (0, "no agent has reported yet\n")
    assert "receives reports of agents" in ended.stdout


@pytest.mark.parametrize(("start_spread", "seconds"), [("0s", 90), ("30s", 120), ("1m30s", 180), ("10m", 690)])
def test_its_deadline_includes_the_start_spread(aggregator: Aggregator, start_spread: str, seconds: float) -> None:
    """Within the pod's own deadline, for every spread that the chart allows."""
    script = SCRIPT.read_text() + "\n"
    script = script.replace("while True:", "print(round(deadline - time.monotonic()))\nwhile True:")

    assert int(run(aggregator, start_spread, script).stdout.split()[0]) == seconds
    assert seconds < 720
