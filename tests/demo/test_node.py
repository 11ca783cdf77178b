"""The simulated node follows containerd's rules, for any pulls in any order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulltrace.demo.images import MIB, Image
from pulltrace.demo.node import MAX_INGESTS, Failure, Fault, SimulatedNode, SimulatedPull, Stall
from tests.demo.clusters import ORIGIN, image, node

BASE = (("base", 5.0), ("runtime", 17.0))
IMAGES = (
    image("app:1", *BASE, ("app 1", 9.0), ("config 1", 0.001)),
    image("app:2", *BASE, ("app 2", 11.0), ("config 2", 0.001)),
    image("tool:1", ("tool", 30.0)),
    image("many:1", *((f"many {number}", 3.0) for number in range(8))),
)
faults = (
    st.none()
    | st.builds(Stall, st.floats(0, 1), st.floats(0, 20))
    | st.builds(Failure, st.just("broken"), st.none() | st.floats(0, 1))
)
pulls = st.lists(st.tuples(st.floats(0, 12), st.sampled_from(IMAGES), faults), min_size=1, max_size=6)


def finish(simulated: SimulatedNode, seconds: float = 300.0) -> None:
    simulated.advance(simulated.now + seconds)


def missing_layers(simulated: SimulatedNode, pull: SimulatedPull) -> bool:
    """Whether a layer is unpacked while one below it is not."""
    unpacked = [layer.chain_id in simulated.snapshots for layer in pull.image.layers]
    return unpacked != sorted(unpacked, reverse=True)


@given(pulls)
def test_rules_hold_at_every_moment(wanted: list[tuple[float, Image, Fault | None]]) -> None:
    """Bytes never go back, a pull has three downloads at most, and layers are unpacked bottom up after they arrive."""
    simulated = node()
    before: dict[str, float] = {}
    waiting = sorted(wanted, key=lambda each: each[0])
    for step in range(int(90 / 0.25)):
        now = ORIGIN + step * 0.25
        while waiting and ORIGIN + waiting[0][0] <= now:
            _, what, fault = waiting.pop(0)
            simulated.pull(what, 0.5, fault)
        simulated.advance(now)
        for pull in simulated.pulls.values():
            downloaded = simulated.downloaded_bytes(pull)

            assert before.get(pull.lease_id, 0.0) <= downloaded <= pull.total_bytes
            assert sum(blob in simulated.ingests for blob in pull.joined) <= MAX_INGESTS
            assert not missing_layers(simulated, pull)
            assert all(
                layer.digest in simulated.content
                for layer in pull.image.layers
                if layer.chain_id in simulated.snapshots
            )
            before[pull.lease_id] = downloaded


@given(pulls)
def test_image_records_are_exactly_those_of_pulls_that_succeeded(
    wanted: list[tuple[float, Image, Fault | None]],
) -> None:
    """Every pull ends, and the node has records of the images whose pull succeeded and of no others."""
    simulated = node()
    for _, what, fault in wanted:
        simulated.pull(what, 0.5, fault)
    finish(simulated)
    ended = simulated.ended

    assert not simulated.pulls
    assert len(ended) == len(wanted)
    assert {record.digest for record in simulated.images.values()} == {
        pull.image.index_digest for pull in ended if pull.succeeded
    }


def test_records_carry_the_three_names_of_the_cri_plugin() -> None:
    """An image has a record for its tag, its digest and its image ID, all written when the pull ended."""
    simulated = node()
    pull = simulated.pull(IMAGES[2], 0.5)
    finish(simulated)

    assert set(simulated.images) == {
        "docker.io/library/tool:1",
        f"docker.io/library/tool@{IMAGES[2].index_digest}",
        IMAGES[2].config_digest,
    }
    assert {record.updated_at for record in simulated.images.values()} == {pull.ended_at}


def test_a_layer_of_two_pulls_is_downloaded_once() -> None:
    """Two pulls that share layers move their bytes once: they take as long as all distinct bytes."""
    shared, alone = node(unpack_mib=1000), node(unpack_mib=1000)
    for what in IMAGES[:2]:
        shared.pull(what, 0.5)
    alone.pull(image("all:1", *BASE, ("app 1", 9.0), ("app 2", 11.0)), 0.5)
    finish(shared)
    finish(alone)

    assert abs(max(p.ended_at or 0 for p in shared.ended) - (alone.ended[0].ended_at or 0)) < 0.3


def test_layers_of_an_earlier_image_are_cached() -> None:
    """A second image on the same base has only its own layers to download."""
    simulated = node()
    simulated.pull(IMAGES[0], 0.5)
    finish(simulated)
    second = simulated.pull(IMAGES[1], 0.5)

    assert second.total_bytes == int(11.0 * MIB) + int(0.001 * MIB)


def test_a_stalled_pull_resumes() -> None:
    """No byte arrives during the stall; afterwards the pull succeeds."""
    simulated = node()
    pull = simulated.pull(IMAGES[2], 0.5, Stall(0.5, 60.0))
    simulated.advance(ORIGIN + 20)
    halfway = simulated.downloaded_bytes(pull)
    simulated.advance(ORIGIN + 55)

    assert simulated.downloaded_bytes(pull) == halfway
    finish(simulated)
    assert pull.succeeded
    assert (pull.ended_at or 0) - pull.started_at > 60


def test_a_broken_download_is_resumed() -> None:
    """The next pull has the downloads of the one that broke."""
    simulated = node()
    simulated.pull(IMAGES[2], 0.5, Failure("connection reset", 0.5))
    simulated.advance(ORIGIN + 30)
    again = simulated.pull(IMAGES[2], 0.5)

    assert simulated.downloaded_bytes(again) >= 0.5 * again.total_bytes


def test_collecting_leaves_needed_layers() -> None:
    """Removing an image keeps the layers that another image shares with it."""
    simulated = node()
    for what in IMAGES[:2]:
        simulated.pull(what, 0.5)
    finish(simulated)
    simulated.collect({"app:2"})

    assert set(simulated.content) == {layer.digest for layer in IMAGES[1].layers}
    assert set(simulated.snapshots) == {layer.chain_id for layer in IMAGES[1].layers}
    assert {record.digest for record in simulated.images.values()} == {IMAGES[1].index_digest}
