"""Which pull is which image, and who waits for it: certain, a candidate, or not said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from pulltrace.aggregator.rows.correlation import correlate
from pulltrace.kube.resources.kubelet_events import EventKind, EventRecord
from pulltrace.kube.resources.pending_pods import PodRecord, Role
from pulltrace.pulls.failures import NEVER_PULLED, PULL_FAILED, Reason
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.view import PullView
from tests.aggregator.records import waits
from tests.builders.events import kubelet_event as asked
from tests.builders.pods import NODE, failing, pending_image, pod
from tests.builders.pulls import DIGEST, NGINX, OTHER_DIGEST, START, ended, pull, resolving


def rows(
    pulls: Sequence[Pull], pods: Sequence[PodRecord] = (), before: Mapping[str, PullView] | None = None
) -> dict[str, PullView]:
    return correlate(NODE, pulls, waits(*pods), before or {})


def row(one: Pull, *pods: PodRecord, before: Mapping[str, PullView] | None = None) -> PullView:
    [found] = rows([one], pods, before).values()
    return found


def waiting(view: PullView) -> list[tuple[str, str]]:
    return [(each.pod, each.container) for each in view.waiting]


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
    """Where two names fit, both are told and none is chosen."""
    view = row(pull(), pod("new", "nginx:1.29"), pod("old", "nginx:1.27"))

    assert (view.image, view.candidates) == (None, (f"{NGINX}:1.27", f"{NGINX}:1.29"))
    assert waiting(view) == [("new", "c0"), ("old", "c0")]


def test_a_pull_is_named_by_its_digest() -> None:
    """A pod that asks for the digest that is pulled is certain, whatever tags others wait for."""
    view = row(pull(), pod("other", "nginx:1.27"), pod("web", f"nginx:1.29@{DIGEST}"))

    assert view.image == f"{NGINX}:1.29@{DIGEST}"


@pytest.mark.parametrize("suffix", [":1", f"@{DIGEST}"])
def test_a_registry_with_a_port_is_the_same_registry(suffix: str) -> None:
    """containerd tells where the bytes come from without the port; the pods write it."""
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


def test_two_pulls_of_one_repository_are_not_told_apart_by_tags() -> None:
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
    """Before the first byte only the pods can tell, and what they tell is not certain."""
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
    """Two pulls and one name: nobody can say for which of them the pod waits."""
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
    """Of a pod with two images, the container of this image waits for this pull."""
    assert waiting(row(pull(), pod("web", "redis:8", "nginx:1.29"))) == [("web", "c1")]


def test_two_containers_of_one_pod_wait_for_one_pull() -> None:
    """Init container and container of the same image both wait."""
    init = pending_image("nginx:1.29", "PodInitializing", container="prepare", role=Role.INIT)

    assert waiting(row(pull(), pod("web", "nginx:1.29", waiting=[init]))) == [("web", "c0"), ("web", "prepare")]


def test_a_container_is_told_as_its_pod_writes_it() -> None:
    """Namespace, pod, container and image are those of the specification."""
    [container] = row(pull(), pod("web", "nginx")).waiting

    assert (container.namespace, container.pod, container.container, container.image) == ("shop", "web", "c0", "nginx")


def test_an_ended_pull_keeps_nobody_waiting() -> None:
    """Who still waits, waits for another try."""
    assert row(ended(), pod("web", "nginx:1.29")).waiting == ()


# -- the name when it has ended --------------------------------------------------------------------


def test_a_completed_pull_has_the_name_that_containerd_recorded() -> None:
    """What containerd says is certain, whatever pods wait for."""
    assert row(ended(), pod("web", "nginx:1.27")).image == f"{NGINX}:1.29"


def test_a_running_pull_with_a_recorded_name_has_it() -> None:
    """A name that containerd has recorded already needs no pods, and only those of that name wait."""
    view = row(pull(names=(f"{NGINX}:1.29",)), pod("a", "nginx:1.29"), pod("b", "nginx:1.27"))

    assert view.image == f"{NGINX}:1.29"
    assert waiting(view) == [("a", "c0")]


def test_what_was_certain_once_stays_so() -> None:
    """A failed pull keeps the name that it had while its pod was there."""
    before = {pull().id: row(pull(), pod("web", "nginx:1.29"))}

    assert row(ended(phase=Phase.FAILED), before=before).image == f"{NGINX}:1.29"


def test_candidates_stay_candidates() -> None:
    """A failed pull that could have been two names is not named by their pods' absence."""
    before = {pull().id: row(pull(), pod("a", "nginx:1.27"), pod("b", "nginx:1.29"))}
    view = row(ended(phase=Phase.FAILED), before=before)

    assert (view.image, view.candidates) == (None, (f"{NGINX}:1.27", f"{NGINX}:1.29"))


# -- why it failed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", sorted(PULL_FAILED))
def test_a_failed_pull_has_the_kubelets_message(reason: str) -> None:
    """What the registry said is in the status of the pod that waits."""
    view = row(ended(phase=Phase.FAILED), failing("web", "nginx:1.29", "manifest unknown", reason))

    assert (view.pull.error, view.image) == ("manifest unknown", f"{NGINX}:1.29")


def test_a_failure_without_a_message_has_the_reason() -> None:
    """A kubelet that gives no message gives at least the kind."""
    assert row(ended(phase=Phase.FAILED), failing("web", "nginx:1.29", None)).pull.error == "ImagePullBackOff"


def test_the_message_of_another_image_is_not_taken() -> None:
    """A pod that fails for another repository explains nothing."""
    assert row(ended(phase=Phase.FAILED), failing("web", "redis:8", "manifest unknown")).pull.error is None


def test_a_named_pull_takes_the_message_of_its_name_only() -> None:
    """Once the name is certain, another tag's failure is another failure."""
    before = {pull().id: row(pull(), pod("web", "nginx:1.29"))}

    assert row(ended(phase=Phase.FAILED), failing("old", "nginx:1.27", "denied"), before=before).pull.error is None


def test_the_failure_of_a_candidate_names_the_pull() -> None:
    """Of the names that a pull might have had, the one that fails is the one."""
    before = {pull().id: row(resolving(), pod("a", "nginx:1.29"), pod("b", "redis:8"))}
    failed = ended(phase=Phase.FAILED, repositories=(), target_digest=None)
    view = row(failed, failing("a", "nginx:1.29", "not found"), pod("b", "redis:8"), before=before)

    assert (view.image, view.candidates, view.pull.error) == (f"{NGINX}:1.29", (), "not found")


def test_a_candidate_whose_pod_is_gone_may_have_been_the_one() -> None:
    """That the other fails says nothing while nobody can say what became of this one."""
    before = {pull().id: row(resolving(), pod("a", "nginx:1.29"), pod("b", "redis:8"))}
    failed = ended(phase=Phase.FAILED, repositories=(), target_digest=None)
    view = row(failed, failing("a", "nginx:1.29", "not found"), before=before)

    assert (view.image, len(view.candidates), view.failure) == (None, 2, None)


def test_what_another_pull_brought_meanwhile_was_not_this_one() -> None:
    """A failed pull without a name does not keep one that has come by a pull beside it; it may be that of one before."""
    before = {pull().id: row(resolving(), pod("a", "nginx:1.29"), pod("b", "redis:8"))}
    failed = ended(phase=Phase.FAILED, repositories=(), target_digest=None)

    def beside(began: float, until: float) -> tuple[str, ...]:
        brought = ended(2, names=("docker.io/library/redis:8",), started_at=began, ended_at=until)
        return correlate(NODE, [failed, brought], (), before)[failed.id].candidates

    assert beside(START + 1, START + 60) == (f"{NGINX}:1.29",)
    assert len(beside(START - 9, START - 1)) == len(beside(START + 100, START + 110)) == 2


def test_a_candidate_that_has_had_its_answer_stays_one() -> None:
    """Its pull has failed, its node has not said so yet, and the kubelet asks for the next image already."""
    events = [asked("a", "nginx:1.29", START - 1)]
    pods = (pod("a", "nginx:1.29"), pod("b", "redis:8"))
    [first] = correlate(NODE, [resolving()], waits(*pods, events=events), {}).values()
    events += [refused("a", "nginx:1.29", START + 1), asked("b", "redis:8", START)]
    pods = (failing("a", "nginx:1.29", "denied"), pods[1])
    [after] = correlate(NODE, [resolving()], waits(*pods, events=events), {first.id: first}).values()
    [gone] = correlate(NODE, [resolving()], waits(pods[1], events=events), {first.id: first}).values()

    assert first.candidates == (f"{NGINX}:1.29",)
    assert after.candidates == gone.candidates == (f"{NGINX}:1.29", "docker.io/library/redis:8")
    assert after.waiting == ()


def test_a_wrong_guess_leaves_every_name_possible() -> None:
    """The Event `Pulling` of the pull that runs is late, so an earlier one names it; that one turns out to have failed."""
    pods = (pod("a", "nginx:1.29"), pod("b", "redis:8"), pod("c", "redis:9"))
    events = [asked("a", "nginx:1.29", START - 3), asked("c", "redis:9", START - 1)]
    [first] = correlate(NODE, [resolving()], waits(*pods, events=events), {}).values()
    events += [refused("a", "nginx:1.29", START)]
    pods = (failing("a", "nginx:1.29", "denied"), *pods[1:])
    [after] = correlate(NODE, [resolving()], waits(*pods, events=events), {first.id: first}).values()

    assert first.candidates == (f"{NGINX}:1.29",)
    assert after.candidates == (f"{NGINX}:1.29", "docker.io/library/redis:8", "docker.io/library/redis:9")


def test_only_an_event_names_a_failure_that_nobody_followed() -> None:
    """Beside a pod that fails, which try the row was is told by its Event. Where no Events are heard, a pod that fails
    since the aggregator began may be it.
    """
    web = failing("web", "redis:8", "denied")
    silent, heard = waits(web), waits(web, events=[refused("web", "redis:8", START + 2)])
    fails_since = [replace(wait, trouble=replace(wait.trouble, since=5.0)) for wait in silent if wait.trouble]

    found = [
        correlate(NODE, [nameless()], wait, {}, events=events)[nameless().id].candidates
        for wait, events in ((silent, False), (fails_since, True), (heard, True), (fails_since, False))
    ]

    assert found == [(), (), ("docker.io/library/redis:8",), ("docker.io/library/redis:8",)]


def nameless(ended_at: float = START + 2) -> Pull:
    """A failed pull of which nothing came, so that only pods could say what it was."""
    return ended(phase=Phase.FAILED, repositories=(), target_digest=None, ended_at=ended_at)


def refused(name: str, image: str, at: float) -> EventRecord:
    return asked(name, image, at, kind=EventKind.FAILED, message=f'Failed to pull image "{image}": denied')


def explained(pull: Pull, pods: Sequence[PodRecord], *events: EventRecord, before: Mapping[str, PullView]) -> PullView:
    [found] = correlate(NODE, [pull], waits(*pods, events=events), before).values()
    return found


def test_a_pod_that_came_later_does_not_explain_a_failure() -> None:
    """An aggregator that starts finds old failures beside pods that fail now: these did not wait for those."""
    late = replace(failing("late", "redis:8", "denied"), started_at=START + 9)

    view = explained(nameless(), [late], before={})

    assert (view.image, view.candidates, view.failure) == (None, (), None)


def test_the_failure_of_another_time_does_not_name_a_pull() -> None:
    """Of two names that a pull might have had, one failed before it began, or long after: it is not that one's failure."""
    early = [refused("a", "nginx:1.29", START - 9)]
    one, other = failing("a", "nginx:1.29", "denied"), pod("b", "redis:8")
    before = {pull().id: row(resolving(), one, other)}

    undecided = explained(nameless(), [one, other], *early, before=before)
    alone = explained(nameless(), [one], *early, before={pull().id: undecided})
    later = explained(nameless(), [one, other], refused("a", "nginx:1.29", START + 9), before=before)
    both = [one, failing("b", "redis:8", "denied")]
    together = [refused("a", "nginx:1.29", START + 2), refused("b", "redis:8", START + 2)]
    again = explained(nameless(), both, *together, refused("a", "nginx:1.29", START + 20), before=before)
    told = explained(
        nameless(), [one, failing("b", "redis:8", "denied")], *early, refused("b", "redis:8", START + 2), before=before
    )

    assert [view.image for view in (undecided, alone, later, again)] == [None] * 4
    assert len(undecided.candidates) == len(alone.candidates) == 2
    assert told.image == "docker.io/library/redis:8"


def test_two_failures_that_fit_explain_nothing() -> None:
    """Where two names fail that might be this pull's, none is chosen."""
    view = row(ended(phase=Phase.FAILED), failing("a", "nginx:1.27", "denied"), failing("b", "nginx:1.29", "not found"))

    assert (view.pull.error, view.image, view.candidates) == (None, None, (f"{NGINX}:1.27", f"{NGINX}:1.29"))


def test_an_explanation_stays_when_the_pod_is_gone() -> None:
    """The reason of a failure outlives the pod that told it."""
    before = {pull().id: row(ended(phase=Phase.FAILED), failing("web", "nginx:1.29", "denied"))}

    assert row(ended(phase=Phase.FAILED), before=before).pull.error == "denied"


def test_a_completed_pull_has_no_error() -> None:
    """A pod that failed before does not make a success a failure."""
    assert row(ended(), failing("web", "nginx:1.29", "denied")).pull.error is None


def test_an_unknown_end_stays_unexplained() -> None:
    """A pull that nobody saw end is not explained by a pod."""
    assert row(ended(phase=Phase.UNKNOWN), failing("web", "nginx:1.29", "denied")).pull.error is None


# -- what the kubelet has asked for ----------------------------------------------------------------


def test_the_only_tag_that_was_asked_for_is_the_name() -> None:
    """Of two tags that fit, the kubelet has asked for one."""
    events = [asked("new", "nginx:1.29", START - 1)]
    [view] = correlate(
        NODE, [pull()], waits(pod("new", "nginx:1.29"), pod("old", "nginx:1.27"), events=events), {}
    ).values()

    assert (view.image, view.candidates, waiting(view)) == (f"{NGINX}:1.29", (), [("new", "c0")])


def asked_one_after_another(apart_seconds: float, *pulls: Pull, slots: int = 1) -> list[PullView]:
    pods = (pod("new", "nginx:1.29"), pod("old", "nginx:1.27"))
    events = [asked("old", "nginx:1.27", START - 9), asked("new", "nginx:1.29", START - 9 + apart_seconds)]
    return list(correlate(NODE, pulls, waits(*pods, events=events), {}, slots).values())


def test_on_a_node_that_pulls_one_at_a_time_the_first_that_was_asked_for_is_pulled() -> None:
    """The head of the queue is certain when the questions are well apart."""
    [view] = asked_one_after_another(5, pull())

    assert (view.image, waiting(view)) == (f"{NGINX}:1.27", [("old", "c0")])


def test_questions_of_one_moment_are_no_order() -> None:
    """Events are exact to the second."""
    [view] = asked_one_after_another(1, pull())

    assert (view.image, view.candidates) == (None, (f"{NGINX}:1.27", f"{NGINX}:1.29"))


def test_on_a_node_that_pulls_several_at_once_the_first_is_not_certain() -> None:
    """Two pulls at once, now or before, and nobody knows which is which."""
    together = asked_one_after_another(5, pull(1), pull(2, target_digest=OTHER_DIGEST))
    [alone] = asked_one_after_another(5, pull(), slots=2)

    assert [view.image for view in (*together, alone)] == [None] * 3


def test_what_was_asked_for_after_a_pull_began_is_not_that_pull() -> None:
    """The kubelet says what it asks for before it does."""
    events = [asked("new", "nginx:1.29", START + 30)]
    pods = (pod("new", "nginx:1.29"), pod("old", "nginx:1.27"))
    [view] = correlate(NODE, [pull()], waits(*pods, events=events), {}).values()

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
    events = [asked("old", "nginx:1.27", START - 9), asked("new", "redis:8", START - 3)]
    pods = (pod("old", "nginx:1.27"), pod("new", "redis:8"))
    found = correlate(NODE, [done, resolving(2)], waits(*pods, events=events), {})

    assert len(found[resolving(2).id].candidates) == 2
    assert found[resolving(2).id].waiting == ()


def test_a_resolving_pull_is_the_only_one_that_was_asked_for() -> None:
    """Before the first byte it is what the kubelet has asked for."""
    events = [asked("a", "nginx:1.29", START - 1)]
    [view] = correlate(
        NODE, [resolving()], waits(pod("a", "nginx:1.29"), pod("b", "redis"), events=events), {}
    ).values()

    assert (view.candidates, waiting(view)) == ((f"{NGINX}:1.29",), [("a", "c0")])


def test_a_failure_has_its_class_and_its_tries() -> None:
    """The row says what kind of failure it is and how often it was tried."""
    view = row(ended(phase=Phase.FAILED), failing("web", "nginx:1.29", "401 Unauthorized", "ErrImagePull"))

    assert view.failure is not None
    assert (view.failure.reason, view.failure.tries) == (Reason.UNAUTHORIZED, 1)


def test_the_words_of_a_later_try_are_not_those_of_an_earlier_one() -> None:
    """Each failed pull keeps its own reason; only the newest follows what the pod says now."""
    first = ended(1, phase=Phase.FAILED)
    before = rows([first], [failing("web", "nginx:1.29", "401 Unauthorized", "ErrImagePull")])
    second = ended(2, phase=Phase.FAILED, started_at=START + 60, ended_at=START + 61)
    found = rows([first, second], [failing("web", "nginx:1.29", "manifest unknown", "ErrImagePull")], before)

    assert [view.failure and view.failure.reason for view in found.values()] == [Reason.UNAUTHORIZED, Reason.NOT_FOUND]
