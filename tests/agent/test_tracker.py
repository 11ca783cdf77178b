"""How observations become pulls: start, progress, several pulls, history."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.agent import tracker
from pulltrace.agent.tracker import RECENT_PULLS, TrackerState
from pulltrace.containerd.observation import LayerObservation
from pulltrace.pulls.model import LayerState, NodeReport, Phase
from pulltrace.pulls.thresholds import RECENT_SECONDS
from tests.agent.observations import (
    INDEX,
    MIB,
    OTHER,
    START,
    PolledNode,
    arriving,
    downloading,
    layer,
    record,
    resolving,
    running,
    stored,
    unpacked,
)

# -- start ----------------------------------------------------------------------------------------


def test_an_idle_node_has_no_pulls() -> None:
    """Nothing is reported where nothing runs."""
    assert tracker.report(PolledNode().poll(0).state) == NodeReport()


def test_an_empty_lease_is_no_pull_at_first() -> None:
    """A container's start holds an empty lease for some milliseconds, and must not flicker up as a pull."""
    assert PolledNode().poll(0.3, resolving()).pulls == ()


def test_a_lease_that_stays_empty_is_resolving() -> None:
    """While a registry resolves the name, the size of the pull is unknown."""
    pull = PolledNode().poll(0.3, resolving()).poll(0.8, resolving()).pull

    assert (pull.phase, pull.total_bytes, pull.started_at) == (Phase.RESOLVING, None, START)


def test_a_lease_with_content_is_a_pull_at_once() -> None:
    """Content proves a pull, however young it is."""
    pull = PolledNode().poll(0.1, replace(running(), layers=None)).pull

    assert (pull.phase, pull.repositories, pull.target_digest) == (
        Phase.RESOLVING,
        ("docker.io/library/nginx",),
        INDEX,
    )


def test_an_id_is_the_same_in_every_poll_and_different_on_every_node() -> None:
    """The id depends on the node, on the lease and on when it was made, and on nothing else."""
    ids = {
        tracker.pull_id(node, lease, at)
        for node in ("node-1", "node-2")
        for lease in ("a", "b")
        for at in (START, START + 1e-6)
    }

    assert len(ids) == 8
    assert PolledNode().poll(1, resolving()).pull.id == tracker.pull_id("node-1", "lease-1", START)


def test_known_values_are_not_forgotten() -> None:
    """Repository and target stay known after a poll that could not read them."""
    node = PolledNode().poll(1, running(layer("a")))
    pull = node.poll(1.5, replace(resolving(), has_content=True)).pull

    assert (pull.repositories, pull.target_digest, pull.total_bytes) == (
        ("docker.io/library/nginx",),
        INDEX,
        100 * MIB,
    )


# -- progress -------------------------------------------------------------------------------------


def test_the_total_is_known_with_the_manifest() -> None:
    """All layers count from the first poll on, also queued ones."""
    pull = PolledNode().poll(1, running(arriving("a", 10 * MIB), layer("b"))).pull

    assert (pull.phase, pull.downloaded_bytes, pull.total_bytes) == (Phase.DOWNLOADING, 10 * MIB, 200 * MIB)
    assert (pull.layer_count, pull.layers_done) == (2, 0)


def test_every_state_of_a_layer() -> None:
    """A layer is queued, downloading, downloaded, unpacking, done, or was there before."""
    pull = (
        PolledNode()
        .poll(
            10,
            running(
                unpacked("a", at=START - 50, stored_at=START - 60),
                unpacked("b"),
                stored("c", unpacking=True),
                stored("d"),
                arriving("e", 1),
                layer("f"),
            ),
        )
        .pull
    )

    assert [one.state for one in pull.layers] == [
        LayerState.CACHED,
        LayerState.DONE,
        LayerState.UNPACKING,
        LayerState.DOWNLOADED,
        LayerState.DOWNLOADING,
        LayerState.QUEUED,
    ]


def test_a_layer_that_still_downloads_is_not_unpacking() -> None:
    """With 2.1, containerd prepares a snapshot before its layer is complete: that is no unpacking yet."""
    pull = PolledNode().poll(2, running(arriving("a", 5, unpacking=True))).pull

    assert pull.layers[0].state is LayerState.DOWNLOADING


def test_a_pull_unpacks_when_every_byte_is_present() -> None:
    """The phase is unpacking when nothing is left to download."""
    node = PolledNode().poll(2, running(stored("a"), arriving("b", 99 * MIB)))
    assert node.pull.phase is Phase.DOWNLOADING

    assert node.poll(3, running(stored("a", unpacking=True), stored("b"))).pull.phase is Phase.UNPACKING


def test_a_layer_without_unpacking_is_done_when_it_is_present() -> None:
    """An artefact has no file system: its layers are done when they are downloaded."""
    pull = PolledNode().poll(2, running(stored("a"), layer("b"), unpacks=False)).pull

    assert (pull.layers_done, pull.unpacked_bytes) == (1, 100 * MIB)


def test_an_offset_beyond_the_size_is_the_size() -> None:
    """A layer is never more than complete."""
    assert PolledNode().poll(2, running(arriving("a", 101 * MIB))).pull.downloaded_bytes == 100 * MIB


def test_progress_is_when_something_last_moved() -> None:
    """Bytes and unpacked layers are progress; a poll of a stalled pull is not."""
    node = PolledNode().poll(1, running(arriving("a", 0)))
    node.poll(2, running(arriving("a", MIB))).poll(3, running(arriving("a", MIB)))
    assert node.pull.progressed_at == START + 2
    node.poll(4, running(stored("a"))).poll(5, running(stored("a")))
    assert node.pull.progressed_at == START + 4

    node.poll(6, running(unpacked("a"))).poll(7, running(unpacked("a")))

    assert node.pull.progressed_at == START + 6


@given(st.lists(st.tuples(*[st.integers(0, 102 * MIB)] * 3), min_size=2, max_size=8))
def test_bytes_move_on_only(offsets: list[tuple[int, ...]]) -> None:
    """In any order of the layers, a pull's bytes grow and its total stays."""
    node = PolledNode()
    grown = [tuple(max(column[: index + 1]) for column in zip(*offsets)) for index in range(len(offsets))]
    seen = []
    for index, each in enumerate(grown):
        layers = [
            arriving(digit, offset) if offset < 100 * MIB else stored(digit) for digit, offset in zip("abc", each)
        ]
        pull = node.poll(1 + index, running(*layers)).pull
        seen.append(pull.downloaded_bytes)
        assert pull.total_bytes == 300 * MIB

    assert all(before <= after for before, after in pairwise(seen))


def test_bytes_go_back_when_containerd_begins_a_layer_again() -> None:
    """A discarded download is missing again, also in the pull's bytes."""
    node = PolledNode().poll(1, running(arriving("a", 50 * MIB)))

    assert node.poll(2, running(arriving("a", MIB))).pull.downloaded_bytes == MIB
    assert node.pull.bytes_per_second == 0


# -- cached, lazy and resumed layers --------------------------------------------------------------


@pytest.mark.parametrize(
    "present",
    [
        stored("a", at=START - 1),
        unpacked("a", at=START - 1, stored_at=START - 2),
        layer("a", unpacked_at=START - 1),
    ],
    ids=["blob", "blob and snapshot", "snapshot only"],
)
def test_cached_layers_are_counted_apart(present: LayerObservation) -> None:
    """Layers of before, as a blob or as a snapshot, are neither to download nor downloaded."""
    pull = PolledNode().poll(2, running(present, arriving("b", 10 * MIB))).pull

    assert (pull.total_bytes, pull.downloaded_bytes, pull.cached_bytes) == (100 * MIB, 10 * MIB, 100 * MIB)


def test_a_blob_of_before_that_is_unpacked_now_is_done_in_the_end() -> None:
    """A layer of a broken pull costs no download, but its unpacking is work of this pull: it is not cached."""
    node = PolledNode().poll(2, running(stored("a", at=START - 1), unpacked("b", at=START - 1, stored_at=START - 2)))
    assert [one.state for one in node.pull.layers] == [LayerState.DOWNLOADED, LayerState.CACHED]

    node.poll(3, running(unpacked("a", stored_at=START - 1), unpacked("b", at=START - 1, stored_at=START - 2)))

    assert [one.state for one in node.pull.layers] == [LayerState.DONE, LayerState.CACHED]
    assert (node.pull.total_bytes, node.pull.cached_bytes) == (0, 200 * MIB)


def test_a_pull_of_cached_layers_has_nothing_to_download() -> None:
    """A total of 0 is known, and is not the same as an unknown one."""
    pull = PolledNode().poll(2, running(unpacked("a", at=START - 1, stored_at=START - 2))).pull

    assert (pull.total_bytes, pull.layers_done, pull.phase) == (0, 1, Phase.UNPACKING)


def test_a_layer_stored_by_another_pull_meanwhile_is_not_cached() -> None:
    """Two pulls that share a layer both have to wait for it."""
    pull = PolledNode().poll(6, running(stored("a", at=START + 5))).pull

    assert (pull.total_bytes, pull.downloaded_bytes, pull.cached_bytes) == (100 * MIB, 100 * MIB, 0)


def test_resumed_bytes_are_present_but_not_in_the_rate() -> None:
    """A download that goes on where a broken one ended begins with its bytes and with no speed."""
    node = PolledNode().poll(1, running(layer("a")))
    node.poll(1.5, running(arriving("a", 80 * MIB, ingest_started_at=START - 60)))
    assert (node.pull.downloaded_bytes, node.pull.bytes_per_second) == (80 * MIB, 0)

    node.poll(2.5, running(arriving("a", 81 * MIB, ingest_started_at=START - 60)))

    assert node.pull.bytes_per_second == pytest.approx(MIB, rel=0.5)


def test_lazy_layers_are_neither_downloaded_nor_to_be_downloaded() -> None:
    """Lazy layers are counted apart, and stay lazy when the pull completes."""
    node = PolledNode().poll(3, running(layer("a", unpacked_at=START + 1, lazy=True), arriving("b", 10 * MIB)))
    pull = node.pull
    assert (pull.total_bytes, pull.downloaded_bytes, pull.lazy_bytes) == (100 * MIB, 10 * MIB, 100 * MIB)
    assert (pull.layers[0].state, pull.layers[0].downloaded_bytes) == (LayerState.LAZY, 0)

    ended = node.poll(21, images=[record()]).ended

    assert [one.state for one in ended.layers] == [LayerState.LAZY, LayerState.DONE]
    assert (ended.total_bytes, ended.downloaded_bytes, ended.lazy_bytes) == (100 * MIB, 100 * MIB, 100 * MIB)


# -- several pulls --------------------------------------------------------------------------------


def test_two_pulls_of_one_repository_are_two() -> None:
    """Two at once are two rows, each with its own bytes, oldest first."""
    node = PolledNode().poll(
        3,
        running(arriving("b", 2 * MIB), lease="lease-2", started_at=START + 1, digest=OTHER),
        running(arriving("a", MIB)),
    )

    assert [(pull.target_digest, pull.downloaded_bytes) for pull in node.pulls] == [(INDEX, MIB), (OTHER, 2 * MIB)]


def test_one_ends_and_the_other_goes_on() -> None:
    """The end of one pull does not change another."""
    other = running(arriving("b", 2 * MIB), lease="lease-2", started_at=START + 1, digest=OTHER)
    node = PolledNode().poll(3, running(arriving("a", MIB)), other).poll(21, other, images=[record()])

    assert node.pull.target_digest == OTHER
    assert node.ended.target_digest == INDEX


def test_a_lease_name_that_is_used_again_is_another_pull() -> None:
    """The same lease id with another time is a pull of its own."""
    node = downloading().poll(21, running(arriving("a", 0), started_at=START + 20), images=[record()])

    assert node.pull.id != node.ended.id


# -- history --------------------------------------------------------------------------------------


def test_history_is_bounded_in_time() -> None:
    """An ended pull is reported for half an hour."""
    node = downloading().poll(20, images=[record()])
    node.poll(20 + RECENT_SECONDS - 1, images=[])
    assert len(node.recent) == 1

    assert node.poll(20 + RECENT_SECONDS, images=[]).recent == ()


def test_history_is_bounded_in_number_and_newest_first() -> None:
    """The newest ended pulls stay."""
    node = PolledNode()
    for number in range(RECENT_PULLS + 5):
        node.poll(number, running(layer("a"), lease=f"lease-{number}", started_at=START + number), images=[])
    node.poll(100, images=[])

    assert len(node.recent) == RECENT_PULLS
    assert [pull.ended_at for pull in node.recent] == sorted((pull.ended_at for pull in node.recent), reverse=True)  # type: ignore[type-var]
    assert node.recent[0].started_at == START + RECENT_PULLS + 4


def test_the_state_begins_empty() -> None:
    """An empty Lease gives an empty state."""
    assert tracker.restore(NodeReport()) == TrackerState()
