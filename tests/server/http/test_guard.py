"""Which requests of browsers are answered: the names of this server, and the pages that may ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import falcon
import httpx
import pytest
from falcon.testing import TestClient
from prometheus_client import CollectorRegistry

from pulltrace.server.api.metrics_app import create_metrics_app
from pulltrace.server.app import create_app
from pulltrace.server.http.allowed_hosts import DEFAULT_HOSTS, EVERY_HOST, AllowedHosts, allowed_hosts
from pulltrace.server.http.guard import refusal
from tests.fakes.pull_source import FakePullSource
from tests.server.serve import serving

RESOLV_CONF = (
    "nameserver 10.96.0.10\nsearch pulltrace.svc.k8s.example svc.k8s.example k8s.example example\noptions ndots:5\n"
)
LISTED = allowed_hosts(["pulltrace.example.com", "*.corp.example"], machine="Box.lan.example", resolv_conf=RESOLV_CONF)
DATA = ("/api/v1/pulls", "/api/v1/events", "/api/v1/wait?pod=shop/web-1&timeout=0", "/api/v1/openapi.json")


def refused(path: str = "/", *, hosts: AllowedHosts = DEFAULT_HOSTS, **headers: str) -> falcon.HTTPError | None:
    """Return the response to a request with these headers."""
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return refusal({"type": "http", "path": path, "headers": given}, hosts)


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:8080", "LOCALHOST.:80", "pulltrace.localhost", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "[fe80::1]",
        "10.244.1.7:8080", "pulltrace", "pulltrace-aggregator:8080", "pulltrace.pulltrace.svc", "pulltrace.team-a.svc:8080",
        "pulltrace.pulltrace.svc.cluster.local", "pulltrace.pulltrace.svc.cluster.local.:8080",
    ],
)  # fmt: skip
def test_names_that_need_no_setting(host: str) -> None:
    """A port-forward, an address, and the names of a Service in its cluster are answered."""
    assert refused(host=host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.test", "evil.test:8080", "EVIL.TEST.", "127.0.0.1.evil.test", "localhost.evil.test", "svc.evil.test", "a.b.svc.evil.test",
        "pulltrace.pulltrace.svc.cluster.local.evil.test", "evilsvc.cluster.local", "notlocalhost.test", "pulltrace.pulltrace", "1.2.3",
        "127.0.0.1.nip.io", "k8s.example", "pulltrace.example.com",
    ],
)  # fmt: skip
def test_other_names_are_refused(host: str) -> None:
    """A name that any site may own is refused by default, with a text that has the name and the setting."""
    error = refused(host=host)

    assert error
    assert error.status == falcon.HTTP_421
    assert repr(host) in str(error.description)
    assert "--allowed-hosts" in str(error.description)


@pytest.mark.parametrize(
    ("host", "permitted"),
    [
        ("pulltrace.example.com", True), ("Pulltrace.Example.COM:443", True), ("pulltrace.example.com.", True), ("example.com", False),
        ("x.pulltrace.example.com", False), ("a.corp.example", True), ("a.b.corp.example:80", True), ("corp.example", False),
        ("evilcorp.example", False), ("box.lan.example:8080", True), ("a.b.svc.k8s.example", True), ("a.k8s.example", False),
    ],
)  # fmt: skip
def test_names_that_are_listed(host: str, *, permitted: bool) -> None:
    """Listed names, those below a listed domain, the machine's, and those of the cluster's Services are answered; none like them."""
    assert LISTED.permits(host) is permitted


def test_short_name_of_the_machine() -> None:
    """Its users may complete it with a search domain of the machine; other names below that domain are refused."""
    hosts = allowed_hosts((), machine="box", resolv_conf="search corp.example lan. .\n")

    permitted = {
        name: hosts.permits(name)
        for name in ("box", "box.corp.example:8080", "box.lan", "x.corp.example", "box.evil.test")
    }
    assert list(permitted.values()) == [True, True, True, False, False]


def test_all_names() -> None:
    """A star allows every name."""
    assert refused(host="evil.test", hosts=allowed_hosts(["*"])) is None
    assert refused(host="evil.test", hosts=EVERY_HOST) is None


def test_no_name() -> None:
    """HTTP/1.0 needs no Host; no browser speaks it."""
    assert refused() is None


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_have_any_name(path: str) -> None:
    """Load balancers ask the probes under the names that they like."""
    assert refused(path, host="evil.test", sec_fetch_site="cross-site") is None


@pytest.mark.parametrize("path", ["/api/v1/pulls", "/api/v1/events", "/api/v1/wait", "/api/v1/nothing", "/metrics"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}, 403),
        ({"sec_fetch_site": "what-comes-next"}, 403),
        ({"origin": "https://evil.test"}, 403),
        ({"origin": "http://10.0.0.1:3000"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "same-origin"}, None),
        ({"sec_fetch_site": "none"}, None),
        ({"origin": "http://10.0.0.1:8080"}, None),
        ({"origin": "http://other.test", "sec_fetch_site": "same-origin"}, None),
        ({}, None),
    ],
)
def test_data_is_for_the_own_site(path: str, headers: dict[str, str], status: int | None) -> None:
    """Pages of other sites get nothing of the API; Pulltrace's own page, the address bar and programs do."""
    error = refused(path, **{"host": "10.0.0.1:8080", **headers})  # type: ignore[arg-type]

    assert (error and error.status_code) == status


@pytest.mark.parametrize("path", ["//api/v1/pulls", "///api/v1/pods", "api/v1/pulls", "//metrics", "metrics"])
def test_data_has_no_second_spelling(path: str) -> None:
    """Falcon routes a path with any number of slashes before it, so the refusal holds for all of these."""
    error = refused(path, host="10.0.0.1", sec_fetch_site="cross-site")

    assert error
    assert error.status_code == 403


@pytest.mark.parametrize("path", ["/", "/index.html", "/assets/index.js"])
def test_page_is_for_everybody(path: str) -> None:
    """A link from another site opens the page."""
    assert refused(path, host="10.0.0.1", sec_fetch_site="cross-site", sec_fetch_mode="navigate") is None


@pytest.mark.parametrize("path", ["/", *DATA, "/nothing"])
async def test_whole_server(path: str, tmp_path: Path) -> None:
    """Page, documents, stream and wait refuse other names with a problem document."""
    app = create_app(FakePullSource(), hosts=DEFAULT_HOSTS, static_folder=tmp_path)
    async with serving(app) as port, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}{path}", headers={"Host": "evil.test"})
    problem: dict[str, Any] = answer.json()

    assert (answer.status_code, answer.headers["content-type"]) == (421, "application/problem+json")
    assert (problem["title"], problem["status"]) == ("Host not allowed", 421)
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", DATA)
async def test_whole_api(path: str) -> None:
    """Documents, stream and wait refuse other sites with a problem document."""
    async with serving(create_app(FakePullSource())) as port, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}{path}", headers={"Sec-Fetch-Site": "cross-site"})

    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert answer.json()["title"] == "Request of another site"


def test_metrics() -> None:
    """The metrics are refused under other names too; the probes beside them are not."""
    client = TestClient(create_metrics_app(CollectorRegistry(), hosts=DEFAULT_HOSTS))
    answers = [client.simulate_get(path, headers={"Host": host}) for path, host in
               (("/metrics", "evil.test"), ("/metrics", "10.1.2.3:9090"), ("/readyz", "evil.test"))]  # fmt: skip

    assert [answer.status_code for answer in answers] == [421, 200, 200]
