"""How a pull ends: completed, failed or unknown, by the image records."""

from __future__ import annotations

from pulltrace.pulls.model import LayerState, Phase
from tests.agent.observations import (
    INDEX,
    MIB,
    NAME,
    OTHER,
    START,
    PolledNode,
    arriving,
    downloading,
    record,
    resolving,
    running,
    unpacked,
)


def test_a_pull_with_an_image_record_has_completed() -> None:
    """The record proves success: everything is here, at the time when the record was written."""
    ended = downloading().poll(21, images=[record()]).ended

    assert (ended.phase, ended.names, ended.ended_at) == (Phase.COMPLETED, (NAME,), START + 20)
    assert ended.progressed_at == ended.ended_at
    assert ended.downloaded_bytes == ended.unpacked_bytes == ended.total_bytes == 100 * MIB
    assert ended.layers_done == ended.layer_count == 2
    assert [one.state for one in ended.layers] == [LayerState.DONE, LayerState.CACHED]
    assert (ended.bytes_per_second, ended.time_left) == (0, None)


def test_names_for_people_come_first() -> None:
    """The tag stands before the digest, and the bare image ID is no name."""
    by_digest = f"docker.io/library/nginx@{INDEX}"
    ended = downloading().poll(21, images=[record(by_digest), record("sha256:" + "1" * 64), record()]).ended

    assert ended.names == (NAME, by_digest)


def test_a_pull_without_an_image_record_has_failed() -> None:
    """A pull that disappears is no success, and its bytes stay what they were."""
    ended = downloading().poll(3, images=[record(digest=OTHER)]).ended

    assert (ended.phase, ended.names, ended.ended_at) == (Phase.FAILED, (), START + 3)
    assert (ended.downloaded_bytes, ended.total_bytes) == (MIB, 100 * MIB)


def test_an_image_of_before_is_no_proof_for_an_unfinished_pull() -> None:
    """A record that was written before the pull began does not make it a success."""
    ended = downloading().poll(3, images=[record(updated_at=START - 100)]).ended

    assert ended.phase is Phase.FAILED


def test_an_image_of_before_is_enough_when_every_layer_was_done() -> None:
    """A pull without work ends now, with the present record."""
    node = PolledNode().poll(1, running(unpacked("a", at=START - 1, stored_at=START - 2)))
    ended = node.poll(3, images=[record(updated_at=START - 100)]).ended

    assert (ended.phase, ended.ended_at) == (Phase.COMPLETED, START + 3)


def test_a_pull_stays_as_it_was_until_the_images_are_listed() -> None:
    """Only the image records show how it ended."""
    node = downloading()
    before = node.pull

    assert node.poll(2).pull == before
    assert node.recent == ()


def test_a_pull_without_a_known_manifest_completes_with_the_record_of_its_last_moment() -> None:
    """A pull that was resolving and then gone has completed when one unclaimed image was recorded since."""
    ended = PolledNode().poll(1, resolving()).poll(1.5, images=[record(updated_at=START + 1.3)]).ended

    assert (ended.phase, ended.names, ended.ended_at) == (Phase.COMPLETED, (NAME,), START + 1.3)


def test_a_pull_without_a_known_manifest_fails_without_a_record() -> None:
    """A name that the registry does not know ends without any image."""
    node = PolledNode().poll(1, resolving()).poll(5, resolving())

    assert node.poll(5.5, images=[record(updated_at=START - 5)]).ended.phase is Phase.FAILED


def test_a_record_from_before_the_last_poll_belongs_to_another_pull() -> None:
    """A pull without content at the last poll cannot have written a record before it."""
    node = PolledNode().poll(1, resolving()).poll(9, resolving())

    assert node.poll(9.5, images=[record(updated_at=START + 4)]).ended.phase is Phase.FAILED


def test_a_record_of_a_known_pull_is_no_proof_for_another() -> None:
    """When two pulls end together, the one with the known digest owns the record."""
    node = PolledNode().poll(1, resolving("lease-2"), running(arriving("a", MIB)))
    node.poll(2, images=[record(updated_at=START + 1.5)])

    assert {pull.target_digest: pull.phase for pull in node.recent} == {INDEX: Phase.COMPLETED, None: Phase.FAILED}


def test_a_record_that_may_belong_to_either_of_two_pulls_proves_neither() -> None:
    """Two pulls that end together before anything is known of them have an unknown outcome, not a guessed one."""
    node = PolledNode().poll(1, resolving("lease-1"), resolving("lease-2"))
    node.poll(2, images=[record(updated_at=START + 1.5)])

    assert [(pull.phase, pull.names) for pull in node.recent] == [(Phase.UNKNOWN, ())] * 2


def test_two_records_that_may_be_a_pulls_leave_its_outcome_unknown() -> None:
    """A pull writes one image; two records leave open which."""
    node = PolledNode().poll(1, resolving())
    images = [record(updated_at=START + 1.5), record("docker.io/library/redis:8", OTHER, START + 1.6)]

    assert node.poll(2, images=images).ended.phase is Phase.UNKNOWN


def test_an_end_comes_once() -> None:
    """An ended pull is neither running nor ended a second time."""
    node = downloading().poll(21, images=[record()])
    ended = node.ended
    node.poll(22, images=[record()])

    assert (node.pulls, node.recent) == ((), (ended,))
