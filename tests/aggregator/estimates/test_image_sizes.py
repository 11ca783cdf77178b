"""Sizes of images, learned from pulls."""

from __future__ import annotations

from pulltrace.aggregator.estimates.image_sizes import ImageSize, ImageSizes
from pulltrace.pulls.references import parse_reference
from pulltrace.pulls.view import PullView
from tests.builders.pods import NODE
from tests.builders.pulls import DIGEST, NGINX, ended, pull

MIB = 1024 * 1024


def test_a_size_is_known_by_name_and_by_digest() -> None:
    """Without what was cached where it was seen, and with it."""
    sizes = ImageSizes()
    sizes.learn(PullView(NODE, pull(total_bytes=7 * MIB, cached_bytes=3 * MIB), f"{NGINX}:1"))
    sizes.learn(PullView(NODE, pull(2, total_bytes=1, target_digest=None, repositories=()), "registry.k8s.io/pause:3"))

    assert sizes.get(parse_reference("nginx:1")) == ImageSize(7 * MIB, 10 * MIB)
    assert sizes.get(parse_reference(f"mirror.test/nginx@{DIGEST}")) == ImageSize(7 * MIB, 10 * MIB)
    assert sizes.get(parse_reference("nginx:2")) is None
    assert sizes.guess_bytes(parse_reference("nginx:2")) == 7 * MIB
    assert sizes.guess_bytes(parse_reference("redis:2")) == 7 * MIB


def test_a_quick_pull_teaches_the_size_of_its_repository() -> None:
    """A pull that ended before a poll saw it has a name and no repository; the next tag is expected to be as large."""
    sizes = ImageSizes()
    sizes.learn(PullView(NODE, pull(1, total_bytes=50 * MIB, target_digest=None), "quay.io/a/b:1"))
    quick = ended(2, names=("registry.test:5000/shop/web:1",), repositories=(), total_bytes=7 * MIB)
    sizes.learn(PullView(NODE, quick, "registry.test:5000/shop/web:1"))

    assert sizes.guess_bytes(parse_reference("registry.test:5000/shop/web:2")) == 7 * MIB


def test_a_pull_without_a_size_teaches_nothing() -> None:
    """The manifest is not there yet."""
    sizes = ImageSizes()
    sizes.learn(PullView(NODE, pull(total_bytes=None), f"{NGINX}:1"))

    assert sizes.guess_bytes(parse_reference("nginx:1")) is None


def test_sizes_are_bounded() -> None:
    """The oldest names are forgotten."""
    sizes = ImageSizes(max_names=10)
    for number in range(50):
        sizes.learn(PullView(NODE, pull(repositories=(), target_digest=None), f"{NGINX}:{number}"))

    assert (sizes.get(parse_reference("nginx:39")), sizes.get(parse_reference("nginx:40"))) == (
        None,
        ImageSize(1000, 1000),
    )
