"""Access to the page, over the wire: requests that two servers read differently, and browsers that serve another site."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import pytest

from tests.faults.conftest import built_stage
from tests.faults.stage import Stage
from tests.real.programs import Server

__all__ = ["built_stage"]  # a fixture

pytestmark = pytest.mark.real("etcd", "openssl")

START = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
NEXT = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKS = b"0\r\n\r\n"
AMBIGUOUS = {
    "length and chunks": START + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "two lengths": START + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "folded line": START + b"X: a\r\n b\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "bare carriage return": START + b"X: a\rb\r\n\r\n",
    "NUL": START + b"X: a\x00b\r\n\r\n",
    "old with chunks": b"GET /healthz HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKS,
    "unknown coding": START + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKS,
    "two hosts": START + b"Host: y\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
}
DATA = ("/api/v1/pulls", "/api/v1/events", "/api/v1/wait?pod=shop/web-1&timeout=0")


@pytest.fixture(scope="module")
def aggregator(built_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real aggregator with its own names, and one that is listed."""
    folder = tmp_path_factory.mktemp("requests")
    with built_stage.aggregator(folder, None, "--allowed-hosts", "pulltrace.example.com") as server:
        yield server


def exchange(port: int, sent: bytes) -> bytes:
    """All that comes back until the server closes the connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(sent)
        while piece := connection.recv(65_536):
            received += piece
    return received


def ask(port: int, path: str, *headers: str) -> tuple[int, dict[str, str], bytes]:
    """The status, the headers and the body."""
    lines = [f"GET {path} HTTP/1.1", *headers, "Connection: close", "", ""]
    head, _, body = exchange(port, "\r\n".join(lines).encode()).partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split(" ")[1]), dict(line.split(": ", 1) for line in rest), body


@pytest.mark.parametrize("request_", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_ambiguous_request(aggregator: Server, request_: bytes) -> None:
    """On both ports it is answered 400, the connection is closed, and the request behind it is not answered."""
    for port in (aggregator.port, aggregator.metrics_port):
        received = exchange(port, request_ + NEXT)
        head, _, body = received.partition(b"\r\n\r\n")
        assert re.findall(rb"HTTP/1\.1 (\d{3}) ", received) == [b"400"]
        assert b"content-type: application/problem+json" in head
        assert json.loads(body)["title"] == "Bad request"


@pytest.mark.parametrize("path", ["/", *DATA])
def test_name_of_another_site(aggregator: Server, path: str) -> None:
    """A name that a site points here is refused with a text that has the name and the flag (DNS rebinding)."""
    status, headers, body = ask(aggregator.port, path, "Host: evil.test:8080")
    problem = json.loads(body)

    assert (status, headers["content-type"]) == (421, "application/problem+json")
    assert "evil.test" in problem["detail"]
    assert "--allowed-hosts" in problem["detail"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize(
    "host",
    ["localhost:8080", "127.0.0.1", "[::1]:80", "pulltrace", "pulltrace.pulltrace.svc:80", "Pulltrace.Example.com"],
)
def test_own_names(aggregator: Server, host: str) -> None:
    """A port-forward, addresses, the Service and what is listed are answered, on both ports."""
    assert ask(aggregator.port, "/api/v1/pulls", f"Host: {host}")[0] == 200
    assert ask(aggregator.metrics_port, "/metrics", f"Host: {host}")[0] == 200


def test_metrics_under_another_name(aggregator: Server) -> None:
    """The metrics are refused as the page is; the probes are not."""
    assert ask(aggregator.metrics_port, "/metrics", "Host: evil.test")[0] == 421
    assert ask(aggregator.metrics_port, "/readyz", "Host: evil.test")[0] == 200


@pytest.mark.parametrize("path", DATA)
@pytest.mark.parametrize(
    "header", ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: http://evil.test"]
)
def test_page_of_another_site(aggregator: Server, path: str, header: str) -> None:
    """A page of another site cannot have the API asked in its visitor's browser."""
    status, headers, body = ask(aggregator.port, path, "Host: localhost", header)

    assert (status, headers["content-type"]) == (403, "application/problem+json")
    assert "another site" in json.loads(body)["detail"]


@pytest.mark.parametrize("path", ["//api/v1/pulls", "api/v1/pulls", "/%2fapi/v1/pods", "//metrics", "metrics"])
def test_page_of_another_site_with_more_slashes(aggregator: Server, path: str) -> None:
    """No other spelling of a path gets past the refusal, on neither port."""
    for port in (aggregator.port, aggregator.metrics_port):
        assert ask(port, path, "Host: localhost", "Sec-Fetch-Site: cross-site")[0] == 403
