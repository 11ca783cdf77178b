"""Which image a running pull is of, and which pods wait for it: certain, a candidate, or unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pulltrace.aggregator.rows.correlation import correlate
from pulltrace.kube.resources.pending_pods import Role
from pulltrace.pulls.failures import NEVER_PULLED
from pulltrace.pulls.model import Pull
from pulltrace.pulls.view import PullView
from tests.aggregator.builders import pending_images
from tests.aggregator.rows.correlated import row, rows, waiting
from tests.builders.events import kubelet_event
from tests.builders.pods import NODE, pending_image, pod
from tests.builders.pulls import DIGEST, NGINX, OTHER_DIGEST, START, ended, pull, resolving

# -- the name while it is pulled -------------------------------------------------------------------


def test_a_pull_without_pods_has_no_name() -> None:
    """The repository is all that is known, and no name is made of it."""
    view = row(pull())

    assert (view.image, view.candidates, view.waiting) == (None, (), ())


def test_a_pull_is_named_by_the_only_tag_that_fits() -> None:
    """One name of its repository is waited for: that is the name, in full."""
    view = row(pull(), pod("web", "nginx:1.29"), pod("db", "postgres:17"))

    assert (view.image, view.candidates) == (f"{NGINX}:1.29", ())
    assert waiting(view) == [("web", "c0")]


def test_names_that_mean_the_same_are_one() -> None:
    """However pods write a name, it is one name, and all of them wait."""
    view = row(pull(), pod("a", "nginx"), pod("b", "docker.io/nginx:latest"), pod("c", "index.docker.io/library/nginx"))

    assert view.image == f"{NGINX}:latest"
    assert waiting(view) == [("a", "c0"), ("b", "c0"), ("c", "c0")]


def test_two_tags_that_fit_are_candidates() -> None:
    """Where two names fit, both are candidates and none is chosen."""
    view = row(pull(), pod("new", "nginx:1.29"), pod("old", "nginx:1.27"))

    assert (view.image, view.candidates) == (None, (f"{NGINX}:1.27", f"{NGINX}:1.29"))
    assert waiting(view) == [("new", "c0"), ("old", "c0")]


def test_a_pull_is_named_by_its_digest() -> None:
    """A pod that asks for the digest that is pulled is certain, whatever tags others wait for."""
    view = row(pull(), pod("other", "nginx:1.27"), pod("web", f"nginx:1.29@{DIGEST}"))

    assert view.image == f"{NGINX}:1.29@{DIGEST}"


@pytest.mark.parametrize("suffix", [":1", f"@{DIGEST}"])
def test_a_registry_with_a_port_is_the_same_registry(suffix: str) -> None:
    """containerd records a registry without its port; the pods write it."""
    view = row(pull(repositories=("registry.test/app",)), pod("web", f"registry.test:5000/app{suffix}"))

    assert view.image == f"registry.test:5000/app{suffix}"
    assert waiting(view) == [("web", "c0")]


def test_another_digest_of_the_repository_does_not_fit() -> None:
    """A pod that asks for another digest waits for another pull."""
    view = row(pull(), pod("web", f"nginx@{OTHER_DIGEST}"))

    assert (view.image, view.candidates, view.waiting) == (None, (), ())


def test_the_digest_of_another_repository_does_not_fit() -> None:
    """The same digest by another repository is another name."""
    assert row(pull(), pod("web", f"redis@{DIGEST}")).waiting == ()


def test_a_blob_of_two_repositories_fits_pods_of_both() -> None:
    """An image that was pulled from two places before may be either."""
    mirrored = pull(repositories=(NGINX, "mirror.example.com/nginx"))
    view = row(mirrored, pod("a", "nginx:1"), pod("b", "mirror.example.com/nginx:1"))

    assert view.candidates == (f"{NGINX}:1", "mirror.example.com/nginx:1")


def test_tags_do_not_distinguish_two_pulls_of_one_repository() -> None:
    """With one tag waited for, either of the two pulls may be it."""
    found = rows([pull(1), pull(2, target_digest=OTHER_DIGEST)], [pod("web", "nginx:1.29")])

    assert [(view.image, view.candidates) for view in found.values()] == [(None, (f"{NGINX}:1.29",))] * 2


def test_two_pulls_of_one_digest_have_the_name_both() -> None:
    """The same image pulled twice at once is two rows with one name."""
    found = rows([pull(1), pull(2)], [pod("web", "nginx:1.29")])

    assert [view.image for view in found.values()] == [f"{NGINX}:1.29"] * 2


def test_digests_tell_two_pulls_of_one_repository_apart() -> None:
    """Each pull is named by the pod that asks for its digest."""
    found = rows(
        [pull(1), pull(2, target_digest=OTHER_DIGEST)], [pod("a", f"nginx@{DIGEST}"), pod("b", f"nginx@{OTHER_DIGEST}")]
    )

    assert [waiting(view) for view in found.values()] == [[("a", "c0")], [("b", "c0")]]


def test_an_ended_pull_does_not_make_the_next_uncertain() -> None:
    """History of the same repository is no twin."""
    found = rows([ended(1, target_digest=OTHER_DIGEST), pull(2)], [pod("web", "nginx:1.29")])

    assert found[pull(2).id].image == f"{NGINX}:1.29"


# -- while it is resolved --------------------------------------------------------------------------


def test_a_resolving_pull_has_the_free_names_as_candidates() -> None:
    """Before the first byte only the pods report a name, and it is not certain."""
    view = row(resolving(), pod("a", "nginx:1.29"), pod("b", "redis"))

    assert (view.image, view.candidates, view.waiting) == (
        None,
        (f"{NGINX}:1.29", "docker.io/library/redis:latest"),
        (),
    )


def test_the_only_resolving_pull_is_what_the_only_pods_wait_for() -> None:
    """With one pull and one name there is no other choice for who waits."""
    view = row(resolving(), pod("a", "nginx:1.29"), pod("b", "nginx:1.29"))

    assert view.candidates == (f"{NGINX}:1.29",)
    assert waiting(view) == [("a", "c0"), ("b", "c0")]


def test_what_waits_for_another_pull_is_not_free() -> None:
    """A pod that waits for a pull of a known name is no candidate for one that is still resolved."""
    found = rows([pull(1), resolving(2)], [pod("a", "nginx:1.29"), pod("b", "redis:8")])

    assert found[resolving(2).id].candidates == ("docker.io/library/redis:8",)


def test_what_may_wait_for_either_is_a_candidate_of_both() -> None:
    """Two tags of a repository, of which one is still resolved: both pulls may be either."""
    found = rows([pull(1), resolving(2)], [pod("a", "nginx:1.29"), pod("b", "nginx:1.27")])

    assert [view.candidates for view in found.values()] == [(f"{NGINX}:1.27", f"{NGINX}:1.29")] * 2


def test_a_pod_that_came_later_is_no_candidate() -> None:
    """The pod that was pulled for may be gone, and its node silent: who comes then does not take its place."""
    early, late = (replace(pod(name, f"{name}:1"), started_at=START + at) for name, at in (("a", 1), ("b", 3)))

    assert row(resolving(), early, late).candidates == ("docker.io/library/a:1",)


def test_two_resolving_pulls_claim_no_pods() -> None:
    """Two pulls and one name: the pod may wait for either of them."""
    found = rows([resolving(1), resolving(2)], [pod("a", "nginx:1.29")])

    assert [(view.candidates, view.waiting) for view in found.values()] == [((f"{NGINX}:1.29",), ())] * 2


@pytest.mark.parametrize("reason", sorted(NEVER_PULLED))
def test_what_the_kubelet_never_pulls_is_no_candidate(reason: str) -> None:
    """A container whose image may not or cannot be pulled is not what is being resolved."""
    view = row(resolving(), pod("a", waiting=[pending_image("nginx:1.29", reason)]))

    assert (view.candidates, view.waiting) == ((), ())


def test_a_container_that_is_never_pulled_for_waits_for_the_pull_of_another() -> None:
    """When the image is there, it will start."""
    never = pod("b", waiting=[pending_image("nginx:1.29", "ErrImageNeverPull")])

    assert waiting(row(pull(), pod("a", "nginx:1.29"), never)) == [("a", "c0"), ("b", "c0")]


# -- who waits -------------------------------------------------------------------------------------


def test_a_pod_with_two_images_waits_with_the_right_container() -> None:
    """In a pod with two images, the container of this image waits for this pull."""
    assert waiting(row(pull(), pod("web", "redis:8", "nginx:1.29"))) == [("web", "c1")]


def test_two_containers_of_one_pod_wait_for_one_pull() -> None:
    """Init container and container of the same image both wait."""
    init = pending_image("nginx:1.29", "PodInitializing", container="prepare", role=Role.INIT)

    assert waiting(row(pull(), pod("web", "nginx:1.29", waiting=[init]))) == [("web", "c0"), ("web", "prepare")]


def test_a_container_has_the_image_as_its_pod_writes_it() -> None:
    """Namespace, pod, container and image are those of the specification."""
    [container] = row(pull(), pod("web", "nginx")).waiting

    assert (container.namespace, container.pod, container.container, container.image) == ("shop", "web", "c0", "nginx")


def test_no_pod_waits_for_an_ended_pull() -> None:
    """A pod that still waits, waits for another try."""
    assert row(ended(), pod("web", "nginx:1.29")).waiting == ()


# -- what the kubelet has asked for ----------------------------------------------------------------


def test_the_only_tag_that_was_asked_for_is_the_name() -> None:
    """The kubelet has requested one of two tags that fit."""
    events = [kubelet_event("new", "nginx:1.29", START - 1)]
    [view] = correlate(
        NODE, [pull()], pending_images(pod("new", "nginx:1.29"), pod("old", "nginx:1.27"), events=events), {}
    ).values()

    assert (view.image, view.candidates, waiting(view)) == (f"{NGINX}:1.29", (), [("new", "c0")])


def asked_one_after_another(apart_seconds: float, *pulls: Pull, slots: int = 1) -> list[PullView]:
    pods = (pod("new", "nginx:1.29"), pod("old", "nginx:1.27"))
    events = [
        kubelet_event("old", "nginx:1.27", START - 9),
        kubelet_event("new", "nginx:1.29", START - 9 + apart_seconds),
    ]
    return list(correlate(NODE, pulls, pending_images(*pods, events=events), {}, slots).values())


def test_on_a_node_that_pulls_one_at_a_time_the_first_that_was_asked_for_is_pulled() -> None:
    """The head of the queue is certain when the questions are well apart."""
    [view] = asked_one_after_another(5, pull())

    assert (view.image, waiting(view)) == (f"{NGINX}:1.27", [("old", "c0")])


def test_questions_of_one_moment_are_no_order() -> None:
    """Events are exact to the second."""
    [view] = asked_one_after_another(1, pull())

    assert (view.image, view.candidates) == (None, (f"{NGINX}:1.27", f"{NGINX}:1.29"))


def test_on_a_node_that_pulls_several_at_once_the_first_is_not_certain() -> None:
    """With two pulls at once, now or before, the order of requests decides nothing."""
    together = asked_one_after_another(5, pull(1), pull(2, target_digest=OTHER_DIGEST))
    [alone] = asked_one_after_another(5, pull(), slots=2)

    assert [view.image for view in (*together, alone)] == [None] * 3


def test_what_was_asked_for_after_a_pull_began_is_not_that_pull() -> None:
    """The kubelet says what it asks for before it does."""
    events = [kubelet_event("new", "nginx:1.29", START + 30)]
    pods = (pod("new", "nginx:1.29"), pod("old", "nginx:1.27"))
    [view] = correlate(NODE, [pull()], pending_images(*pods, events=events), {}).values()

    assert view.image is None


def test_a_pod_whose_image_has_come_does_not_name_the_next_pull() -> None:
    """Its status is a moment behind: the image was recorded after it was asked for."""
    done = ended(1, names=(f"{NGINX}:1.27",), ended_at=START + 5)
    running = pull(2, started_at=START + 5, target_digest=OTHER_DIGEST)
    pods = (pod("old", "nginx:1.27", started_at=START - 9), pod("new", "nginx:1.29", started_at=START - 5))
    found = rows([done, running], pods)

    assert (found[running.id].image, waiting(found[running.id])) == (f"{NGINX}:1.29", [("new", "c0")])


def test_the_second_pod_of_an_image_asks_the_registry_once_more() -> None:
    """That is a pull, too, of a digest that is on the node: it may be the image that is there, or one of the same bytes."""
    done = ended(1, names=(f"{NGINX}:1.27",), ended_at=START + 5)
    again = pull(2, started_at=START + 5)
    pods = (pod("old", "nginx:1.27", started_at=START - 9), pod("new", "nginx:1.29", started_at=START - 5))
    found = rows([done, again], pods)
    alone = rows([done, again], pods[:1])

    assert (found[again.id].image, len(found[again.id].candidates)) == (None, 2)
    assert alone[again.id].image == f"{NGINX}:1.27"


def test_before_its_digest_is_known_such_a_pull_may_be_either() -> None:
    """The first who asked has been served, so the order says nothing."""
    done = ended(1, names=(f"{NGINX}:1.27",), ended_at=START + 5)
    events = [kubelet_event("old", "nginx:1.27", START - 9), kubelet_event("new", "redis:8", START - 3)]
    pods = (pod("old", "nginx:1.27"), pod("new", "redis:8"))
    found = correlate(NODE, [done, resolving(2)], pending_images(*pods, events=events), {})

    assert len(found[resolving(2).id].candidates) == 2
    assert found[resolving(2).id].waiting == ()


def test_a_resolving_pull_is_the_only_one_that_was_asked_for() -> None:
    """Before the first byte it is what the kubelet has asked for."""
    events = [kubelet_event("a", "nginx:1.29", START - 1)]
    [view] = correlate(
        NODE, [resolving()], pending_images(pod("a", "nginx:1.29"), pod("b", "redis"), events=events), {}
    ).values()

    assert (view.candidates, waiting(view)) == ((f"{NGINX}:1.29",), [("a", "c0")])
