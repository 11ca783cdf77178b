"""The size of a Lease, and what is left out for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pulltrace.pulls.lease_format.annotations import (
    LIMIT_BYTES,
    TARGET_BYTES,
    decode,
    encode,
)
from pulltrace.pulls.model import Layer, LayerState, NodeReport, Phase, Pull
from tests.builders.pulls import START, ended, large_pull


def size(annotations: Mapping[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


TYPICAL_NAMES = (
    "docker.io/library/postgres",
    "docker.io/grafana/grafana",
    "quay.io/prometheus/prometheus",
    "registry.k8s.io/ingress-nginx/controller",
    "ghcr.io/company/team/backend",
)
TYPICAL_SIZES = (29_724_688, 5_120_331, 87_123, 1_231, 32, 618, 204_123_456, 9_876_543, 120, 4_521)


def typical_layers(pull: Pull) -> tuple[Layer, ...]:
    """The layers of a pull, with sizes as images have them: some large, many tiny."""
    return tuple(
        replace(each, size_bytes=size, downloaded_bytes=size // 2 if each.state is LayerState.DOWNLOADING else size)
        for each, size in zip(pull.layers, TYPICAL_SIZES, strict=True)
    )


def test_a_typical_lease_takes_three_kib() -> None:
    """Five images of ten layers take at most 3 KiB, with every layer."""
    pulls = tuple(large_pull(number, 10, repositories=(name,)) for number, name in enumerate(TYPICAL_NAMES))
    annotations = encode(NodeReport(pulls=tuple(replace(each, layers=typical_layers(each)) for each in pulls)))
    print(f"a Lease of 5 images with 10 layers each: {size(annotations)} bytes")

    assert size(annotations) <= 3 * 1024
    assert [len(each.layers) for each in decode(annotations).pulls] == [10] * 5


@pytest.mark.parametrize("layer_count", [1, 10, 120])
@pytest.mark.parametrize("pulls", [1, 10, 110, 1000])
def test_a_lease_never_takes_more_than_16_kib(pulls: int, layer_count: int) -> None:
    """The Lease stays small for any number of pulls, any history and any names."""
    name = "registry.example.com/" + "n" * 234
    report = NodeReport(
        pulls=tuple(large_pull(number, layer_count, repositories=(name,)) for number in range(pulls)),
        recent=tuple(ended(number, names=(name, name + "2"), error="ü" * 400) for number in range(60)),
        error="例" * 400,
    )
    annotations = encode(report)

    assert size(annotations) <= LIMIT_BYTES
    read = decode(annotations)
    assert read.problems == ()
    assert read.omitted_pulls + len(read.pulls) == pulls


long_names = st.integers(1, 255).map(lambda length: ("registry.example.com/" + "n" * 255)[:length])
crowded_pulls = st.builds(
    lambda number, count, name, digest: large_pull(
        number, count, repositories=(name,), names=(name,), target_digest=digest
    ),
    st.integers(0, 16**6),
    st.integers(0, 100),
    long_names,
    st.none() | st.just("sha256:" + "ab" * 32) | st.just("sha512:" + "ab" * 64),
)
crowds = st.lists(crowded_pulls, max_size=110, unique_by=lambda pull: pull.id)
histories = st.lists(
    st.builds(
        lambda number, name, error: ended(number, phase=Phase.FAILED, names=(name,), error=error),
        st.integers(0, 16**6), long_names, st.none() | st.text(max_size=400),
    ),
    max_size=60,
)  # fmt: skip


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(crowds, histories, st.none() | st.text(max_size=400))
def test_no_node_makes_a_lease_larger_than_16_kib(pulls: list[Pull], recent: list[Pull], trouble: str | None) -> None:
    """110 pods, 100 layers, names of 255 characters, messages in any script: in bounds, readable, and every pull reported or counted."""
    annotations = encode(NodeReport(pulls=tuple(pulls), recent=tuple(recent), error=trouble))
    read = decode(annotations)

    assert size(annotations) <= LIMIT_BYTES
    assert (read.problems, len(read.pulls) + read.omitted_pulls) == ((), len(pulls))


@pytest.mark.parametrize(("pulls", "layer_count"), [(0, 0), (1, 10), (5, 10), (5, 120), (12, 40)])
def test_a_lease_usually_takes_8_kib(pulls: int, layer_count: int) -> None:
    """Layers and old history are left out long before a Lease becomes a burden."""
    report = NodeReport(
        pulls=tuple(large_pull(number, layer_count) for number in range(pulls)),
        recent=tuple(ended(number) for number in range(60)),
    )

    assert size(encode(report)) <= TARGET_BYTES


@pytest.mark.parametrize("layer_count", [3, 40, 120])
def test_totals_stay_exact_when_layers_are_left_out(layer_count: int) -> None:
    """Layers are left out; bytes and counts of a pull stay."""
    reported = [large_pull(number, layer_count) for number in range(10)]
    read = decode(encode(NodeReport(pulls=tuple(reported)))).pulls

    assert [replace(each, layers=()) for each in read] == [replace(each, layers=()) for each in reported]


def test_finished_and_queued_layers_are_left_out_first() -> None:
    """In a large image the layers that move are still shown."""
    shown = decode(encode(NodeReport(pulls=tuple(large_pull(number, 30) for number in range(8))))).pulls[0].layers

    assert {each.state for each in shown} == {
        LayerState.DOWNLOADING,
        LayerState.DOWNLOADED,
        LayerState.UNPACKING,
    }


def test_layers_are_left_out_before_pulls() -> None:
    """Many pulls are all reported, without their layers."""
    read = decode(encode(NodeReport(pulls=tuple(large_pull(number, 30) for number in range(30)))))

    assert [len(each.layers) for each in read.pulls] == [0] * 30


def test_running_pulls_beyond_the_limit_are_counted() -> None:
    """A node with 110 pulls reports the oldest, and the number of the others."""
    reported = tuple(large_pull(number, 30, started_at=START + number) for number in range(110))
    read = decode(encode(NodeReport(pulls=reported)))

    assert [each.id for each in read.pulls] == [each.id for each in reported[: len(read.pulls)]]
    assert read.omitted_pulls == 110 - len(read.pulls) > 0


def test_the_oldest_history_is_left_out() -> None:
    """A long history loses its end, and nothing of the pulls that run."""
    reported = tuple(ended(number, ended_at=START + 1000 - number) for number in range(60))
    read = decode(encode(NodeReport(pulls=(large_pull(1, 10),), recent=reported)))

    assert [each.id for each in read.recent] == [each.id for each in reported[: len(read.recent)]]
    assert 0 < len(read.recent) < 60
    assert len(read.pulls[0].layers) == 10
