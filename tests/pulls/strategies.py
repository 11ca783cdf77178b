"""Hypothesis strategies of pulls and reports: only values that a Lease can carry."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from pulltrace.pulls.model import Layer, LayerState, NodeReport, Phase, Pull
from pulltrace.pulls.time_left import TimeLeft
from tests.builders.pulls import WITHOUT_BYTES

RUNNING = (Phase.RESOLVING, Phase.DOWNLOADING, Phase.UNPACKING)
ENDED = (Phase.COMPLETED, Phase.FAILED, Phase.UNKNOWN)

sizes = st.integers(0, 2**42)
tenths = st.integers(0, 10_000_000).map(lambda n: n / 10)
ids = st.integers(0, 16**12 - 1).map(lambda n: f"{n:012x}")
moments = st.integers(0, 4_102_444_799_999).map(lambda n: n / 1000)
names = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="<>"), min_size=1, max_size=60)
digests = st.integers(0, 16**64 - 1).map(lambda n: f"sha256:{n:064x}")


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    size, state = draw(sizes), draw(st.sampled_from(LayerState))
    done = 0 if state in WITHOUT_BYTES else draw(st.integers(0, size)) if state is LayerState.DOWNLOADING else size
    return Layer(f"sha256:{draw(ids)}", size, done, state)


def _uncertain(seconds: tuple[float, float, float]) -> TimeLeft:
    return TimeLeft(seconds[0], min(seconds[1:]), max(seconds[1:]))


@st.composite
def running(draw: st.DrawFn) -> Pull:
    """Draw a running pull with only such values as a Lease can carry."""
    started_at = draw(moments)
    total = draw(st.none() | sizes)
    shown = draw(st.lists(layers(), max_size=3))
    return Pull(
        id=draw(ids),
        phase=draw(st.sampled_from(RUNNING)),
        started_at=started_at,
        progressed_at=started_at + draw(tenths),
        repositories=tuple(draw(st.lists(names, max_size=2))),
        names=tuple(draw(st.lists(names, max_size=2))),
        target_digest=draw(st.none() | digests),
        total_bytes=total,
        downloaded_bytes=draw(st.integers(0, 2**42 if total is None else total)),
        cached_bytes=draw(sizes),
        unpacked_bytes=draw(sizes),
        bytes_per_second=float(draw(sizes)),
        time_left=draw(st.none() | tenths.map(TimeLeft.exactly) | st.tuples(tenths, tenths, tenths).map(_uncertain)),
        layer_count=len(shown) + draw(st.integers(0, 100)),
        layers_done=draw(st.integers(0, 100)),
        layers=tuple(shown),
    )


@st.composite
def history(draw: st.DrawFn) -> Pull:
    """Draw an ended pull with only such values as a Lease can carry."""
    started_at, phase = draw(moments), draw(st.sampled_from(ENDED))
    total = draw(st.none() | sizes)
    done = draw(st.integers(0, 2**42 if total is None else total))
    ended_at = started_at + draw(tenths)
    tagged = tuple(draw(st.lists(names.filter(lambda name: "@" not in name), min_size=1, max_size=2)))
    named = draw(st.booleans())
    count = draw(st.integers(0, 100))
    made = Pull(
        id=draw(ids),
        phase=phase,
        started_at=started_at,
        progressed_at=ended_at,
        ended_at=ended_at,
        total_bytes=total,
        downloaded_bytes=done,
        cached_bytes=draw(sizes),
        error=draw(st.none() | names),
        layer_count=count,
        names=tagged if named else (),
        repositories=() if named else tagged,
    )
    return replace(made, unpacked_bytes=total or 0, layers_done=count) if phase is Phase.COMPLETED else made


def _unique(pulls: list[Pull]) -> tuple[Pull, ...]:
    return tuple({pull.id: pull for pull in pulls}.values())


reports = st.builds(
    NodeReport,
    pulls=st.lists(running(), max_size=3).map(
        lambda pulls: tuple(sorted(_unique(pulls), key=lambda pull: (pull.started_at, pull.id)))
    ),
    recent=st.lists(history(), max_size=3).map(
        lambda pulls: tuple(sorted(_unique(pulls), key=lambda pull: pull.ended_at or 0.0, reverse=True))
    ),
    unpack_bytes_per_second=st.none() | st.integers(1, 2**40).map(float),
    error=st.none() | names,
    refused_writes=st.integers(0, 2**40),
    failed_polls=st.integers(0, 2**40),
)
