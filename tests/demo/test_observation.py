"""Observations of a simulated node are those of a real one."""

from __future__ import annotations

from pulltrace.demo.images import MIB
from pulltrace.demo.node import Failure
from pulltrace.demo.observation import SimulatedObserver
from tests.demo.clusters import ORIGIN, image, node

APP = image("ghcr.io/acme/app:1", ("base", 5.5), ("app", 40.0))


def test_a_pull_is_first_a_lease_without_content() -> None:
    """While containerd resolves the reference, the node has a lease and nothing else."""
    simulated = node()
    simulated.pull(APP, 2.0)
    simulated.advance(ORIGIN + 1)
    [pull] = SimulatedObserver(simulated).poll().pulls

    assert (pull.has_content, pull.repositories, pull.index_digest, pull.layers) == (False, (), None, None)


def test_the_repository_comes_before_the_layers() -> None:
    """The index names the repository; the layers are known when the manifest and config are here."""
    simulated = node()
    simulated.pull(APP, 0.5)
    simulated.advance(ORIGIN + 0.625)
    [pull] = SimulatedObserver(simulated).poll().pulls

    assert pull.repositories == ("ghcr.io/acme/app",)
    assert pull.layers is None


def test_offsets_move_in_whole_mib() -> None:
    """A download that runs has written a multiple of 1 MiB."""
    simulated = node(link_mib=3.3)
    simulated.pull(APP, 0.5)
    offsets = set()
    observer = SimulatedObserver(simulated)
    for step in range(40):
        simulated.advance(ORIGIN + step * 0.25)
        for pull in observer.poll().pulls:
            offsets |= {layer.ingested_bytes for layer in pull.layers or () if layer.ingested_bytes is not None}

    assert len(offsets) > 5
    assert all(offset % MIB == 0 for offset in offsets)


def test_image_records_come_when_a_pull_may_have_ended() -> None:
    """Only the first poll and polls after the end of a lease list the image records."""
    simulated = node(link_mib=100, unpack_mib=100)
    observer = SimulatedObserver(simulated)
    first = observer.poll()
    simulated.pull(APP, 0.5)
    during = observer.poll()
    simulated.advance(ORIGIN + 10)
    after = observer.poll()

    assert first.images == ()
    assert during.images is None
    assert {record.name for record in after.images or ()} == set(simulated.images)


def test_cached_layers_show_only_their_snapshot() -> None:
    """A layer whose snapshot was here before the pull has no blob in its lease."""
    simulated = node()
    simulated.preload(image("base:1", ("base", 5.5)))
    simulated.pull(APP, 0.5)
    simulated.advance(ORIGIN + 2)
    [pull] = SimulatedObserver(simulated).poll().pulls
    assert pull.layers is not None
    cached, own = pull.layers

    assert cached.stored_at is None
    assert cached.unpacked_at is not None
    assert cached.unpacked_at < pull.started_at
    assert own.ingested_bytes is not None


def test_a_missing_image_ends_without_content() -> None:
    """An unknown reference is a lease that appears and ends."""
    simulated = node()
    simulated.pull(APP, 2.0, Failure("not found"))
    observer = SimulatedObserver(simulated)
    simulated.advance(ORIGIN + 1)
    before = observer.poll()
    simulated.advance(ORIGIN + 3)

    assert [pull.has_content for pull in before.pulls] == [False]
    assert observer.poll() == type(before)(pulls=(), images=())
