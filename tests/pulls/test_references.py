"""Image names: every way to write one, and the one full form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.pulls.references import Reference, parse_reference, short_name

DIGEST = "sha256:" + "a" * 64

NAMES = [
    ("nginx", "docker.io/library/nginx:latest"),
    ("nginx:1.29", "docker.io/library/nginx:1.29"),
    ("library/nginx", "docker.io/library/nginx:latest"),
    ("docker.io/nginx", "docker.io/library/nginx:latest"),
    ("docker.io/library/nginx:1.29", "docker.io/library/nginx:1.29"),
    ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
    ("grafana/grafana:12", "docker.io/grafana/grafana:12"),
    ("quay.io/prometheus/prometheus:v3", "quay.io/prometheus/prometheus:v3"),
    ("quay.io/alone", "quay.io/alone:latest"),
    ("localhost/app", "localhost/app:latest"),
    ("localhost:5000/app", "localhost:5000/app:latest"),
    ("registry:5000/team/app:1.0", "registry:5000/team/app:1.0"),
    ("10.0.0.1:5000/app", "10.0.0.1:5000/app:latest"),
    ("[::1]:5000/app:1", "[::1]:5000/app:1"),
    ("Registry/app", "Registry/app:latest"),
    ("team/sub/app", "docker.io/team/sub/app:latest"),
    (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
    (f"nginx:1.29@{DIGEST}", f"docker.io/library/nginx:1.29@{DIGEST}"),
    (f"localhost:5000/app@{DIGEST}", f"localhost:5000/app@{DIGEST}"),
    ("  nginx  ", "docker.io/library/nginx:latest"),
]


@pytest.mark.parametrize(("name", "full"), NAMES)
def test_the_full_form_of_a_name(name: str, full: str) -> None:
    """Domain, path, tag and digest as containerd records them."""
    assert str(parse_reference(name)) == full


@pytest.mark.parametrize("full", sorted({full for _, full in NAMES}))
def test_a_full_form_stays_as_it_is(full: str) -> None:
    """A name in containerd's records stays as it is."""
    assert str(parse_reference(full)) == full


def test_the_parts_of_a_name() -> None:
    """Repository, tag and digest are distinguished, also where a port resembles a tag."""
    assert parse_reference(f"localhost:5000/app:1@{DIGEST}") == Reference("localhost:5000/app", "1", DIGEST)
    assert parse_reference("localhost:5000/app") == Reference("localhost:5000/app", "latest", None)
    assert parse_reference(f"app@{DIGEST}").tag is None


@given(st.text())
def test_no_name_raises(name: str) -> None:
    """An invalid name is only compared and shown."""
    assert str(parse_reference(name))


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("docker.io/library/nginx:1.29", "nginx:1.29"),
        ("docker.io/pytorch/pytorch:2.4", "pytorch/pytorch:2.4"),
        ("quay.io/prometheus/prometheus", "quay.io/prometheus/prometheus"),
        (f"docker.io/library/nginx@{DIGEST}", "nginx@sha256:aaaaaaaaaaaa"),
    ],
)
def test_the_short_form_is_what_people_write(name: str, short: str) -> None:
    """Without what goes without saying, and with as much of a digest as `docker pull` shows."""
    assert short_name(name) == short


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("nginx:1.29", "docker.io/library/nginx"),
        ("registry.test:5000/team/app:1", "registry.test/team/app"),
        ("localhost:5000/app", "localhost/app"),
        ("10.0.0.1:5000/app", "10.0.0.1/app"),
        ("[fd00::1]:5000/app:1", "fd00::1/app"),
    ],
)
def test_source_is_without_the_port(name: str, source: str) -> None:
    """containerd notes where a blob came from without the port of the registry."""
    assert parse_reference(name).source == source
