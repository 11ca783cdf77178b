"""Values of labels, of which there is an end."""

from __future__ import annotations

import pytest

from pulltrace.aggregator.metrics.metric_labels import (
    MAX_REGISTRIES,
    BoundedLabel,
    registry_of,
    registry_of_image,
    size_class,
)
from tests.builders.pulls import MIB
from tests.builders.views import running_view


def test_the_first_values_have_a_label_of_their_own() -> None:
    """And keep it; what comes later shares one."""
    label, hosts = BoundedLabel(), [f"r{number}.example.com" for number in range(MAX_REGISTRIES)]

    assert [label(host) for host in hosts] == hosts
    assert label("one-more.example.com") == "other"
    assert label(hosts[0]) == hosts[0]


@pytest.mark.parametrize("value", ["", "Docker.io", "a b", "x\n", "x" * 101, "-a", "a-", "ü", "a:123456"])
def test_what_is_no_host_takes_no_place(value: str) -> None:
    """Names come from pods, so from any user."""
    label = BoundedLabel(1)

    assert label(value) == "other"
    assert label("localhost:5000") == "localhost:5000"


@pytest.mark.parametrize(
    ("fields", "registry"),
    [
        ({"repositories": ("ghcr.io/a/b",), "image": "docker.io/library/x:1"}, "ghcr.io"),
        ({"repositories": (), "image": "registry.test:5000/a/b:1"}, "registry.test"),
        ({"repositories": (), "image": None}, "unknown"),
    ],
)
def test_the_registry_of_a_pull(fields: dict[str, object], registry: str) -> None:
    """Where its bytes come from, else where its name points to."""
    assert registry_of(running_view(**fields)) == registry  # type: ignore[arg-type]


def test_the_registry_of_a_name() -> None:
    """A name without a host is one of Docker Hub's."""
    assert registry_of_image("nginx") == "docker.io"


@pytest.mark.parametrize(
    ("total_bytes", "size"),
    [(None, "unknown"), (0, "small"), (100 * MIB, "medium"), (1024 * MIB, "large")],
)
def test_classes_of_size(total_bytes: int | None, size: str) -> None:
    """Estimates may be good for small images and bad for large ones."""
    assert size_class(total_bytes) == size
