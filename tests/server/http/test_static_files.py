"""The web UI's files: how they are cached, and that nothing else is served."""

from __future__ import annotations

from pathlib import Path

import pytest
from falcon.testing import TestClient

from pulltrace.server.app import create_app
from tests.fakes.pull_source import FakePullSource


@pytest.fixture
def ui(tmp_path: Path) -> TestClient:
    """A built UI of three files, beside a file that is none of its."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-abc123.js").write_text("run()")
    (tmp_path / "secret.txt").write_text("secret")
    return TestClient(create_app(FakePullSource(), static_folder=folder))


@pytest.mark.parametrize("path", ["/", "/index.html"])
def test_index(ui: TestClient, path: str) -> None:
    """The page is asked for again each time, so that a new version is seen at once."""
    answer = ui.simulate_get(path)

    assert (answer.status_code, answer.text) == (200, "<!doctype html>")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


def test_index_with_query(ui: TestClient) -> None:
    """The query string belongs to the UI."""
    assert ui.simulate_get("/", query_string="node=node-1").status_code == 200


def test_unchanged_index(ui: TestClient) -> None:
    """A browser that has the page gets 304 while the page is the same."""
    etag = ui.simulate_get("/").headers["etag"]
    answer = ui.simulate_get("/", headers={"If-None-Match": etag})

    assert (answer.status_code, answer.text) == (304, "")


def test_hashed_assets(ui: TestClient) -> None:
    """A file with its hash in its name is cached for ever."""
    answer = ui.simulate_get("/assets/index-abc123.js")

    assert (answer.status_code, answer.text) == (200, "run()")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


def test_other_files(ui: TestClient) -> None:
    """A file without a hash is treated as the page is."""
    answer = ui.simulate_get("/favicon.svg")

    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("image/svg+xml", "no-cache")


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt", "//secret.txt", "/assets", "/assets/"]
)
def test_nothing_else_is_served(ui: TestClient, path: str) -> None:
    """No path leads out of the folder, or to a folder."""
    assert ui.simulate_get(path).status_code == 404


def test_head_and_post(ui: TestClient) -> None:
    """HEAD answers without a body; the files cannot be written to."""
    head = ui.simulate_head("/")

    assert (head.status_code, head.text, head.headers["content-length"]) == (200, "", "15")
    assert ui.simulate_post("/").status_code == 405


def test_ui_was_not_built(tmp_path: Path) -> None:
    """Without the UI the page says how to get it, and the API works all the same."""
    client = TestClient(create_app(FakePullSource(), static_folder=tmp_path / "nowhere"))

    answer = client.simulate_get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert "make web" in answer.text
    assert client.simulate_get("/api/v1/pulls").status_code == 200
