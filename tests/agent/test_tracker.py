"""The rules by which observations become pulls: start, progress, end. What containerd does is in tests/containerd."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltrace.agent import tracker
from pulltrace.agent.tracker import RECENT_PULLS, NodeState
from pulltrace.containerd.observation import LayerObservation, NodeObservation
from pulltrace.pulls.download_rate import END_SECONDS
from pulltrace.pulls.lease_format.annotations import decode, encode
from pulltrace.pulls.model import LayerState, NodeReport, Phase
from pulltrace.pulls.thresholds import RECENT_SECONDS
from tests.agent.observations import (
    INDEX,
    MIB,
    NAME,
    START,
    Watched,
    arriving,
    layer,
    record,
    resolving,
    running,
    stored,
    unpacked,
)

OTHER = "sha256:" + "e" * 64

# -- the start -------------------------------------------------------------------------------------


def test_an_idle_node_has_no_pulls() -> None:
    """Nothing is reported where nothing runs."""
    assert tracker.report(Watched().look(0).state) == NodeReport()


def test_a_lease_that_holds_nothing_is_no_pull_at_first() -> None:
    """A container's start holds an empty lease for some milliseconds, and must not flicker up as a pull."""
    assert Watched().look(0.3, resolving()).pulls == ()


def test_a_lease_that_goes_on_holding_nothing_is_resolving() -> None:
    """A registry that is slow to say what a name means makes a pull whose size is not known."""
    pull = Watched().look(0.3, resolving()).look(0.8, resolving()).pull

    assert (pull.phase, pull.total_bytes, pull.started_at) == (Phase.RESOLVING, None, START)


def test_a_lease_with_content_is_a_pull_at_once() -> None:
    """What has been fetched proves a pull, however young it is."""
    pull = Watched().look(0.1, replace(running(), layers=None)).pull

    assert (pull.phase, pull.repositories, pull.target_digest) == (
        Phase.RESOLVING,
        ("docker.io/library/nginx",),
        INDEX,
    )


def test_an_id_is_the_same_in_every_look_and_different_on_every_node() -> None:
    """The id depends on the node, on the lease and on when it was made, and on nothing else."""
    ids = {
        tracker.pull_id(node, lease, at)
        for node in ("node-1", "node-2")
        for lease in ("a", "b")
        for at in (START, START + 1e-6)
    }

    assert len(ids) == 8
    assert Watched().look(1, resolving()).pull.id == tracker.pull_id("node-1", "lease-1", START)


def test_what_was_seen_once_is_not_forgotten() -> None:
    """Repository and target stay known in a look that could not read them."""
    node = Watched().look(1, running(layer("a")))
    pull = node.look(1.5, replace(resolving(), has_content=True)).pull

    assert (pull.repositories, pull.target_digest, pull.total_bytes) == (
        ("docker.io/library/nginx",),
        INDEX,
        100 * MIB,
    )


# -- progress --------------------------------------------------------------------------------------


def test_the_total_is_known_with_the_manifest() -> None:
    """All layers count from the first look on, also those that have not begun."""
    pull = Watched().look(1, running(arriving("a", 10 * MIB), layer("b"))).pull

    assert (pull.phase, pull.downloaded_bytes, pull.total_bytes) == (Phase.DOWNLOADING, 10 * MIB, 200 * MIB)
    assert (pull.layer_count, pull.layers_done) == (2, 0)


def test_every_state_of_a_layer() -> None:
    """A layer is queued, downloading, downloaded, unpacking, done, or was there before."""
    pull = (
        Watched()
        .look(
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
    pull = Watched().look(2, running(arriving("a", 5, unpacking=True))).pull

    assert pull.layers[0].state is LayerState.DOWNLOADING


def test_a_pull_unpacks_when_every_byte_is_here() -> None:
    """The phase says unpacking only when nothing is left to download."""
    node = Watched().look(2, running(stored("a"), arriving("b", 99 * MIB)))
    assert node.pull.phase is Phase.DOWNLOADING

    assert node.look(3, running(stored("a", unpacking=True), stored("b"))).pull.phase is Phase.UNPACKING


def test_what_needs_no_unpacking_is_done_when_it_is_here() -> None:
    """An artefact has no file system: its layers are done when they are downloaded."""
    pull = Watched().look(2, running(stored("a"), layer("b"), unpacks=False)).pull

    assert (pull.layers_done, pull.unpacked_bytes) == (1, 100 * MIB)


def test_an_offset_beyond_the_size_is_the_size() -> None:
    """A layer is never more than complete."""
    assert Watched().look(2, running(arriving("a", 101 * MIB))).pull.downloaded_bytes == 100 * MIB


def test_progress_is_when_something_last_moved() -> None:
    """Bytes and unpacked layers are progress; a look at a pull that stands still is not."""
    node = Watched().look(1, running(arriving("a", 0)))
    node.look(2, running(arriving("a", MIB))).look(3, running(arriving("a", MIB)))
    assert node.pull.progressed_at == START + 2
    node.look(4, running(stored("a"))).look(5, running(stored("a")))
    assert node.pull.progressed_at == START + 4

    node.look(6, running(unpacked("a"))).look(7, running(unpacked("a")))

    assert node.pull.progressed_at == START + 6


@given(st.lists(st.tuples(*[st.integers(0, 102 * MIB)] * 3), min_size=2, max_size=8))
def test_bytes_move_on_only(offsets: list[tuple[int, ...]]) -> None:
    """Whatever order the layers arrive in, a pull's bytes grow and its total stays."""
    node = Watched()
    grown = [tuple(max(column[: index + 1]) for column in zip(*offsets)) for index in range(len(offsets))]
    seen = []
    for index, each in enumerate(grown):
        layers = [
            arriving(digit, offset) if offset < 100 * MIB else stored(digit) for digit, offset in zip("abc", each)
        ]
        pull = node.look(1 + index, running(*layers)).pull
        seen.append(pull.downloaded_bytes)
        assert pull.total_bytes == 300 * MIB

    assert all(before <= after for before, after in pairwise(seen))


def test_bytes_go_back_when_containerd_begins_a_layer_again() -> None:
    """A layer whose download was thrown away is missing again, and the pull says so."""
    node = Watched().look(1, running(arriving("a", 50 * MIB)))

    assert node.look(2, running(arriving("a", MIB))).pull.downloaded_bytes == MIB
    assert node.pull.bytes_per_second == 0


# -- cached and resumed ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "there",
    [
        stored("a", at=START - 1),
        unpacked("a", at=START - 1, stored_at=START - 2),
        layer("a", unpacked_at=START - 1),
    ],
    ids=["blob", "blob and snapshot", "snapshot only"],
)
def test_cached_layers_are_counted_apart(there: LayerObservation) -> None:
    """What was on the node before, as a blob or as a snapshot, is neither to download nor downloaded."""
    pull = Watched().look(2, running(there, arriving("b", 10 * MIB))).pull

    assert (pull.total_bytes, pull.downloaded_bytes, pull.cached_bytes) == (100 * MIB, 10 * MIB, 100 * MIB)


def test_a_blob_of_before_that_is_unpacked_now_is_done_in_the_end() -> None:
    """A layer that a broken pull had left costs no download, but is work of this pull: it is not told as cached."""
    node = Watched().look(2, running(stored("a", at=START - 1), unpacked("b", at=START - 1, stored_at=START - 2)))
    assert [one.state for one in node.pull.layers] == [LayerState.DOWNLOADED, LayerState.CACHED]

    node.look(3, running(unpacked("a", stored_at=START - 1), unpacked("b", at=START - 1, stored_at=START - 2)))

    assert [one.state for one in node.pull.layers] == [LayerState.DONE, LayerState.CACHED]
    assert (node.pull.total_bytes, node.pull.cached_bytes) == (0, 200 * MIB)


def test_a_pull_of_cached_layers_has_nothing_to_download() -> None:
    """A total of 0 is known, and is not the same as an unknown one."""
    pull = Watched().look(2, running(unpacked("a", at=START - 1, stored_at=START - 2))).pull

    assert (pull.total_bytes, pull.layers_done, pull.phase) == (0, 1, Phase.UNPACKING)


def test_a_layer_stored_by_another_pull_meanwhile_is_not_cached() -> None:
    """Two pulls that share a layer both have to wait for it."""
    pull = Watched().look(6, running(stored("a", at=START + 5))).pull

    assert (pull.total_bytes, pull.downloaded_bytes, pull.cached_bytes) == (100 * MIB, 100 * MIB, 0)


def test_resumed_bytes_are_here_but_not_in_the_rate() -> None:
    """A download that goes on where a broken one ended begins with its bytes and with no speed."""
    node = Watched().look(1, running(layer("a")))
    node.look(1.5, running(arriving("a", 80 * MIB, ingest_started_at=START - 60)))
    assert (node.pull.downloaded_bytes, node.pull.bytes_per_second) == (80 * MIB, 0)

    node.look(2.5, running(arriving("a", 81 * MIB, ingest_started_at=START - 60)))

    assert node.pull.bytes_per_second == pytest.approx(MIB, rel=0.5)


# -- rate and time left ----------------------------------------------------------------------------


def pulling_at_10_mib() -> Watched:
    node = Watched()
    for second in range(6):
        node.look(second, running(arriving("a", 10 * second * MIB)))
    return node


def test_the_rate_is_what_arrives_in_a_second() -> None:
    """Ten MiB each second are a rate of ten MiB a second, and leave five seconds of the hundred."""
    pull = pulling_at_10_mib().pull

    assert pull.bytes_per_second == 10 * MIB
    assert pull.seconds_left == 5 + END_SECONDS


def test_lazy_layers_are_neither_downloaded_nor_to_be_downloaded() -> None:
    """What a lazy snapshotter serves from the registry is counted apart, and stays lazy when the pull completes."""
    node = Watched().look(3, running(layer("a", unpacked_at=START + 1, lazy=True), arriving("b", 10 * MIB)))
    pull = node.pull
    assert (pull.total_bytes, pull.downloaded_bytes, pull.lazy_bytes) == (100 * MIB, 10 * MIB, 100 * MIB)
    assert (pull.layers[0].state, pull.layers[0].downloaded_bytes) == (LayerState.LAZY, 0)

    ended = node.look(21, images=[record()]).ended

    assert [one.state for one in ended.layers] == [LayerState.LAZY, LayerState.DONE]
    assert (ended.total_bytes, ended.downloaded_bytes, ended.lazy_bytes) == (100 * MIB, 100 * MIB, 100 * MIB)


def test_a_time_left_has_bounds_while_the_rate_changes() -> None:
    """A link that slows down to a quarter leaves it open which speed will last."""
    node = pulling_at_10_mib()
    for second in range(6, 12):
        node.look(second, running(arriving("a", 50 * MIB + int(2.5 * (second - 5) * MIB))))

    assert node.pull.seconds_left_range is not None
    soonest, latest = node.pull.seconds_left_range
    assert soonest <= (node.pull.seconds_left or 0) <= latest
    assert pulling_at_10_mib().pull.seconds_left_range is None


def test_the_time_left_is_not_said_too_early() -> None:
    """In its first two seconds a pull has no time left: it would be noise."""
    node = Watched().look(0.5, running(arriving("a", 0))).look(1.5, running(arriving("a", MIB)))

    assert node.pull.bytes_per_second == MIB
    assert node.pull.seconds_left is None


def test_a_pull_that_stands_still_has_no_time_left() -> None:
    """Without bytes there is no rate, and nothing to base an end on."""
    pull = pulling_at_10_mib().look(40, running(arriving("a", 50 * MIB))).pull

    assert (pull.bytes_per_second, pull.seconds_left) == (0, None)


def test_a_pull_that_unpacks_has_no_rate() -> None:
    """Nothing is downloaded any more."""
    assert pulling_at_10_mib().look(6, running(stored("a"))).pull.bytes_per_second == 0


def test_unpacking_time_is_unknown_before_a_layer_was_unpacked_here() -> None:
    """With every byte here, what is left depends on a speed that this node has not shown yet."""
    assert pulling_at_10_mib().look(6, running(stored("a"))).pull.seconds_left is None


def test_a_node_learns_how_fast_it_unpacks() -> None:
    """A layer of 100 MiB that took two seconds to unpack tells how long the next one will take."""
    node = Watched().look(4, running(arriving("a", 0), layer("b")))
    node.look(7, running(unpacked("a", at=START + 7), stored("b", at=START + 7)))

    assert node.state.unpack_bytes_per_second == 50 * MIB
    assert node.pull.seconds_left == 2 + END_SECONDS


def test_a_layer_that_unpacks_longer_than_expected() -> None:
    """It is taken to need as long again as it is late, and so are the layers above it."""
    node = Watched().look(4, running(arriving("a", 0), layer("b"), layer("c")))
    both = (stored("b", at=START + 7), stored("c", at=START + 7))
    node.look(7, running(unpacked("a", at=START + 7), *both))
    assert node.pull.seconds_left == pytest.approx(4 + END_SECONDS)

    node.look(8, running(unpacked("a", at=START + 7), *both))
    assert node.pull.seconds_left == pytest.approx(3 + END_SECONDS)
    node.look(27, running(unpacked("a", at=START + 7), *both))

    assert node.pull.seconds_left == pytest.approx(18 + 11 + END_SECONDS, abs=1)


def test_a_node_learns_how_long_ends_take() -> None:
    """A pull whose record came a second later than was said makes the next one's time left longer."""
    node = pulling_at_10_mib()
    for second in range(6, 10):
        node.look(second, running(arriving("a", 10 * second * MIB)))
    said = node.pull.seconds_left or 0.0
    node.look(12.5, images=[record(updated_at=START + 9 + said + 1)])

    assert node.state.end_seconds == pytest.approx(END_SECONDS + 0.3)


def test_cached_layers_teach_nothing() -> None:
    """What was unpacked before this pull says nothing about the speed now."""
    cached = unpacked("a", at=START - 1, stored_at=START - 100)
    node = Watched().look(4, running(cached, layer("b"))).look(5, running(cached, layer("b")))

    assert node.state.unpack_bytes_per_second is None


# -- the end ---------------------------------------------------------------------------------------


def downloading() -> Watched:
    return Watched().look(1, running(arriving("a", MIB), unpacked("b", at=START - 1, stored_at=START - 2)))


def test_a_pull_with_an_image_record_has_completed() -> None:
    """The record proves success: everything is here, at the time when the record was written."""
    ended = downloading().look(21, images=[record()]).ended

    assert (ended.phase, ended.names, ended.ended_at) == (Phase.COMPLETED, (NAME,), START + 20)
    assert ended.progressed_at == ended.ended_at
    assert ended.downloaded_bytes == ended.unpacked_bytes == ended.total_bytes == 100 * MIB
    assert ended.layers_done == ended.layer_count == 2
    assert [one.state for one in ended.layers] == [LayerState.DONE, LayerState.CACHED]
    assert (ended.bytes_per_second, ended.seconds_left) == (0, None)


def after_a_quick_pull(node: Watched, now: float) -> Watched:
    """A look after which a pull has begun and ended since the last one."""
    quick = running(unpacked("a", at=START + 20, stored_at=START + 19.5), lease=INDEX, started_at=START + 19)
    observation = NodeObservation((), (record(updated_at=START + 20),), missed=(quick,))
    node.state = tracker.advance(node.state, observation, START + now, "node-1")
    return node


def test_a_pull_that_nobody_saw_is_told_when_it_is_over() -> None:
    """It has its name, its size and its times, and is told once however often it is found."""
    ended = after_a_quick_pull(after_a_quick_pull(Watched(), 20.5), 21.5).ended

    assert (ended.phase, ended.names, ended.total_bytes) == (Phase.COMPLETED, (NAME,), 100 * MIB)
    assert (ended.started_at, ended.ended_at) == (START + 19, START + 20)


def test_a_pull_that_nobody_saw_may_be_one_that_was_resolving() -> None:
    """A row whose digest was never known, and a record that nobody claims, are one pull and not two."""
    ended = after_a_quick_pull(Watched().look(19, resolving()), 20.5).ended

    assert (ended.phase, ended.names, ended.started_at) == (Phase.COMPLETED, (NAME,), START)


def test_names_for_people_come_first() -> None:
    """The tag stands before the digest, and the bare image ID is no name."""
    by_digest = f"docker.io/library/nginx@{INDEX}"
    ended = downloading().look(21, images=[record(by_digest), record("sha256:" + "1" * 64), record()]).ended

    assert ended.names == (NAME, by_digest)


def test_a_pull_without_an_image_record_has_failed() -> None:
    """A pull that disappears is no success, and its bytes stay what they were."""
    ended = downloading().look(3, images=[record(digest=OTHER)]).ended

    assert (ended.phase, ended.names, ended.ended_at) == (Phase.FAILED, (), START + 3)
    assert (ended.downloaded_bytes, ended.total_bytes) == (MIB, 100 * MIB)


def test_an_image_of_before_is_no_proof_for_an_unfinished_pull() -> None:
    """A record that was written before the pull began does not make it a success."""
    ended = downloading().look(3, images=[record(updated_at=START - 100)]).ended

    assert ended.phase is Phase.FAILED


def test_an_image_of_before_is_enough_when_every_layer_was_done() -> None:
    """A pull of what is there already ends now, with the record that is there already."""
    node = Watched().look(1, running(unpacked("a", at=START - 1, stored_at=START - 2)))
    ended = node.look(3, images=[record(updated_at=START - 100)]).ended

    assert (ended.phase, ended.ended_at) == (Phase.COMPLETED, START + 3)


def test_a_pull_stays_as_it_was_while_nobody_looked_for_its_image() -> None:
    """Without a list of the images nothing is known of the end."""
    node = downloading()
    before = node.pull

    assert node.look(2).pull == before
    assert node.recent == ()


def test_a_pull_whose_manifest_was_never_seen_completes_with_the_record_of_its_last_moment() -> None:
    """A pull that was resolving and then gone has completed when one unclaimed image was recorded since."""
    ended = Watched().look(1, resolving()).look(1.5, images=[record(updated_at=START + 1.3)]).ended

    assert (ended.phase, ended.names, ended.ended_at) == (Phase.COMPLETED, (NAME,), START + 1.3)


def test_a_pull_whose_manifest_was_never_seen_fails_without_a_record() -> None:
    """A name that the registry does not know ends without any image."""
    node = Watched().look(1, resolving()).look(5, resolving())

    assert node.look(5.5, images=[record(updated_at=START - 5)]).ended.phase is Phase.FAILED


def test_a_record_from_before_the_last_look_belongs_to_another_pull() -> None:
    """A pull that had fetched nothing at the last look cannot have written an image before it."""
    node = Watched().look(1, resolving()).look(9, resolving())

    assert node.look(9.5, images=[record(updated_at=START + 4)]).ended.phase is Phase.FAILED


def test_a_record_of_a_known_pull_is_no_proof_for_another() -> None:
    """Of two pulls that end together, the one whose digest is known owns the record."""
    node = Watched().look(1, resolving("lease-2"), running(arriving("a", MIB)))
    node.look(2, images=[record(updated_at=START + 1.5)])

    assert {pull.target_digest: pull.phase for pull in node.recent} == {INDEX: Phase.COMPLETED, None: Phase.FAILED}


def test_a_record_that_may_belong_to_either_of_two_pulls_proves_neither() -> None:
    """Two pulls that end together before anything is known of them have an unknown outcome, not a guessed one."""
    node = Watched().look(1, resolving("lease-1"), resolving("lease-2"))
    node.look(2, images=[record(updated_at=START + 1.5)])

    assert [(pull.phase, pull.names) for pull in node.recent] == [(Phase.UNKNOWN, ())] * 2


def test_two_records_that_may_be_a_pulls_leave_its_outcome_unknown() -> None:
    """A pull writes one image: of two, nobody can tell which."""
    node = Watched().look(1, resolving())
    images = [record(updated_at=START + 1.5), record("docker.io/library/redis:8", OTHER, START + 1.6)]

    assert node.look(2, images=images).ended.phase is Phase.UNKNOWN


def test_an_end_comes_once() -> None:
    """An ended pull is neither running nor ended a second time."""
    node = downloading().look(21, images=[record()])
    ended = node.ended
    node.look(22, images=[record()])

    assert (node.pulls, node.recent) == ((), (ended,))


# -- several pulls ---------------------------------------------------------------------------------


def test_two_pulls_of_one_repository_are_two() -> None:
    """Two at once are two rows, each with its own bytes, oldest first."""
    node = Watched().look(
        3,
        running(arriving("b", 2 * MIB), lease="lease-2", started_at=START + 1, digest=OTHER),
        running(arriving("a", MIB)),
    )

    assert [(pull.target_digest, pull.downloaded_bytes) for pull in node.pulls] == [(INDEX, MIB), (OTHER, 2 * MIB)]


def test_one_ends_and_the_other_goes_on() -> None:
    """The end of one pull says nothing of another."""
    other = running(arriving("b", 2 * MIB), lease="lease-2", started_at=START + 1, digest=OTHER)
    node = Watched().look(3, running(arriving("a", MIB)), other).look(21, other, images=[record()])

    assert node.pull.target_digest == OTHER
    assert node.ended.target_digest == INDEX


def test_a_lease_name_that_is_used_again_is_another_pull() -> None:
    """The same lease id with another time is a pull of its own."""
    node = downloading().look(21, running(arriving("a", 0), started_at=START + 20), images=[record()])

    assert node.pull.id != node.ended.id


# -- history ---------------------------------------------------------------------------------------


def test_history_is_bounded_in_time() -> None:
    """An ended pull is told for half an hour."""
    node = downloading().look(20, images=[record()])
    node.look(20 + RECENT_SECONDS - 1, images=[])
    assert len(node.recent) == 1

    assert node.look(20 + RECENT_SECONDS, images=[]).recent == ()


def test_history_is_bounded_in_number_and_newest_first() -> None:
    """Of many ended pulls the newest stay."""
    node = Watched()
    for number in range(RECENT_PULLS + 5):
        node.look(number, running(layer("a"), lease=f"lease-{number}", started_at=START + number), images=[])
    node.look(100, images=[])

    assert len(node.recent) == RECENT_PULLS
    assert [pull.ended_at for pull in node.recent] == sorted((pull.ended_at for pull in node.recent), reverse=True)  # type: ignore[type-var]
    assert node.recent[0].started_at == START + RECENT_PULLS + 4


# -- restarts of the agent -------------------------------------------------------------------------


def restarted(node: Watched) -> Watched:
    """Another agent, which knows only what the Lease says."""
    return Watched(tracker.restore(decode(encode(tracker.report(node.state)))))


def test_a_restarted_agent_goes_on_with_the_same_pull() -> None:
    """Id and start are as before, and the bytes go on from where they are now."""
    node = pulling_at_10_mib()
    before, after = node.pull, restarted(node).look(7, running(arriving("a", 60 * MIB))).pull

    assert (after.id, after.started_at) == (before.id, before.started_at)
    assert after.downloaded_bytes == 60 * MIB


def test_what_arrived_while_the_agent_was_away_is_in_no_rate() -> None:
    """The first look after a restart has no speed; the next ones have that of now."""
    node = restarted(pulling_at_10_mib()).look(50, running(arriving("a", 90 * MIB)))
    assert node.pull.bytes_per_second == 0

    assert node.look(51, running(arriving("a", 91 * MIB))).pull.bytes_per_second == MIB


def test_a_restart_teaches_nothing_about_unpacking() -> None:
    """Layers that were unpacked before the restart are not learned from a second time."""
    node = Watched().look(4, running(arriving("a", 0), layer("b")))
    node.look(7, running(unpacked("a", at=START + 7), layer("b")))
    learned = node.state.unpack_bytes_per_second
    node = restarted(node).look(9, running(unpacked("a", at=START + 7, stored_at=START + 6.9), layer("b")))

    assert node.state.unpack_bytes_per_second == learned


def test_a_pull_that_ended_while_the_agent_was_away_has_its_outcome() -> None:
    """The image record tells a restarted agent how the pull of its Lease ended."""
    assert restarted(downloading()).look(60, images=[record()]).ended.phase is Phase.COMPLETED
    assert restarted(downloading()).look(60, images=[]).ended.phase is Phase.FAILED


def test_after_a_long_absence_a_missing_record_proves_nothing() -> None:
    """An image may be pulled, used and removed while the agent is away for long."""
    node = restarted(downloading()).look(3600, images=[])

    assert node.ended.phase is Phase.UNKNOWN


def test_history_survives_a_restart() -> None:
    """What had ended before is still told after."""
    node = downloading().look(21, images=[record()])
    [before], [after] = node.recent, restarted(node).look(22, images=[record()]).recent

    assert (after.id, after.phase, after.names, after.ended_at) == (
        before.id,
        before.phase,
        before.names,
        before.ended_at,
    )


@pytest.mark.parametrize("told", ["as ended", "as running", "as missed"])
def test_what_the_lease_tells_is_not_found_again(told: str) -> None:
    """A restarted agent looks back a little further than the last report, and a pull stays one row."""
    node = after_a_quick_pull(Watched(), 20.5) if told == "as missed" else downloading()
    if told == "as ended":
        node.look(21, images=[record()])
    [before] = tracker.report(node.state).pulls or node.recent

    assert [pull.id for pull in after_a_quick_pull(restarted(node), 25).recent] == [before.id]


def test_what_the_agent_before_could_not_tell_is_told() -> None:
    """A pull of the same name that began after the one that is told is another one: the tag has moved."""
    node = restarted(downloading().look(2, images=[record(updated_at=START + 2)]))

    assert [pull.started_at for pull in after_a_quick_pull(node, 25).recent] == [START + 19, START]


def test_a_restored_pull_without_observation_is_reported_as_it_was() -> None:
    """Before containerd answers, the Lease goes on saying what it said."""
    node = pulling_at_10_mib()
    [restored] = tracker.report(restarted(node).state).pulls

    assert (restored.id, restored.downloaded_bytes, restored.phase) == (
        node.pull.id,
        node.pull.downloaded_bytes,
        node.pull.phase,
    )


def test_the_state_begins_empty() -> None:
    """A node whose Lease says nothing has nothing to go on from."""
    assert tracker.restore(NodeReport()) == NodeState()
