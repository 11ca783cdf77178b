"""Headers of all responses, and the probes."""

from __future__ import annotations

from pathlib import Path

import pytest
from falcon.testing import TestClient

from pulltrace.server.app import create_app
from tests.fakes.pull_source import FakePullSource


@pytest.mark.parametrize("path", ["/", "/nothing", "/api/v1/pulls", "/api/v1/events?x=1", "/healthz", "/readyz"])
def test_security_headers(path: str, tmp_path: Path) -> None:
    """Every answer, an error too, forbids the browser to load, frame or guess anything."""
    answer = TestClient(create_app(FakePullSource(), static_folder=tmp_path)).simulate_get(path)

    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/healthz/"])
def test_not_found(path: str) -> None:
    """An unknown path is a problem document."""
    answer = TestClient(create_app(FakePullSource())).simulate_get(path)

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at this path.",
    }


def test_probes_ok() -> None:
    """Probes answer with one word when all is well."""
    client = TestClient(create_app(FakePullSource()))

    assert [client.simulate_get(path).text for path in ("/healthz", "/readyz")] == ["ok\n", "ok\n"]
    assert client.simulate_head("/healthz").status_code == 200


def test_probes_name_the_reason() -> None:
    """Each probe has a check of its own, and 503 has one line with the reason."""
    missing = "The first list of Leases is not in yet."
    client = TestClient(create_app(FakePullSource(), healthy=lambda: None, ready=lambda: missing))

    ready = client.simulate_get("/readyz")
    assert (ready.status_code, ready.text) == (503, f"{missing}\n")
    assert client.simulate_get("/healthz").status_code == 200


def test_broken_check_is_an_error_not_an_answer() -> None:
    """A check that raises is a 500 without its insides."""

    def broken() -> str | None:
        raise RuntimeError("secret")

    answer = TestClient(create_app(FakePullSource(), healthy=broken)).simulate_get("/healthz")

    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
