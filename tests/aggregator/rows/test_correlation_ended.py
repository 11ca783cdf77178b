"""Which image an ended pull was of, and why it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from pulltrace.aggregator.rows.correlation import correlate
from pulltrace.kube.resources.kubelet_events import EventKind, KubeletEvent
from pulltrace.kube.resources.pending_pods import PodRecord
from pulltrace.pulls.failures import PULL_FAILED, Reason
from pulltrace.pulls.model import Phase, Pull
from pulltrace.pulls.view import PullView
from tests.aggregator.builders import pending_images
from tests.aggregator.rows.correlated import row, rows, waiting
from tests.builders.events import kubelet_event
from tests.builders.pods import NODE, failing, pod
from tests.builders.pulls import NGINX, START, ended, pull, resolving

# -- the name when it has ended --------------------------------------------------------------------


def test_a_completed_pull_has_the_name_that_containerd_recorded() -> None:
    """containerd's name is certain, for any waiting pods."""
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
    """The registry's error is in the status of the pod that waits."""
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
    """The candidate that fails is the name of the failed pull."""
    before = {pull().id: row(resolving(), pod("a", "nginx:1.29"), pod("b", "redis:8"))}
    failed = ended(phase=Phase.FAILED, repositories=(), target_digest=None)
    view = row(failed, failing("a", "nginx:1.29", "not found"), pod("b", "redis:8"), before=before)

    assert (view.image, view.candidates, view.pull.error) == (f"{NGINX}:1.29", (), "not found")


def test_a_candidate_whose_pod_is_gone_may_have_been_the_one() -> None:
    """The failure of another candidate decides nothing while this one's end is unknown."""
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
    """Its pull has failed, its node has not reported that yet, and the kubelet requests the next image already."""
    events = [kubelet_event("a", "nginx:1.29", START - 1)]
    pods = (pod("a", "nginx:1.29"), pod("b", "redis:8"))
    [first] = correlate(NODE, [resolving()], pending_images(*pods, events=events), {}).values()
    events += [refused("a", "nginx:1.29", START + 1), kubelet_event("b", "redis:8", START)]
    pods = (failing("a", "nginx:1.29", "denied"), pods[1])
    [after] = correlate(NODE, [resolving()], pending_images(*pods, events=events), {first.id: first}).values()
    [gone] = correlate(NODE, [resolving()], pending_images(pods[1], events=events), {first.id: first}).values()

    assert first.candidates == (f"{NGINX}:1.29",)
    assert after.candidates == gone.candidates == (f"{NGINX}:1.29", "docker.io/library/redis:8")
    assert after.waiting == ()


def test_a_wrong_guess_leaves_every_name_possible() -> None:
    """The Event `Pulling` of the pull that runs is late, so an earlier one names it; that one turns out to have failed."""
    pods = (pod("a", "nginx:1.29"), pod("b", "redis:8"), pod("c", "redis:9"))
    events = [kubelet_event("a", "nginx:1.29", START - 3), kubelet_event("c", "redis:9", START - 1)]
    [first] = correlate(NODE, [resolving()], pending_images(*pods, events=events), {}).values()
    events += [refused("a", "nginx:1.29", START)]
    pods = (failing("a", "nginx:1.29", "denied"), *pods[1:])
    [after] = correlate(NODE, [resolving()], pending_images(*pods, events=events), {first.id: first}).values()

    assert first.candidates == (f"{NGINX}:1.29",)
    assert after.candidates == (f"{NGINX}:1.29", "docker.io/library/redis:8", "docker.io/library/redis:9")


def test_only_an_event_names_a_failure_without_candidates() -> None:
    """The Event of a failing pod names its try. Without Events, a pod that has failed since the aggregator started may
    be it.
    """
    web = failing("web", "redis:8", "denied")
    silent, with_event = pending_images(web), pending_images(web, events=[refused("web", "redis:8", START + 2)])
    fails_since = [
        replace(wait, image_failure=replace(wait.image_failure, since=5.0)) for wait in silent if wait.image_failure
    ]

    found = [
        correlate(NODE, [nameless()], wait, {}, events=events)[nameless().id].candidates
        for wait, events in ((silent, False), (fails_since, True), (with_event, True), (fails_since, False))
    ]

    assert found == [(), (), ("docker.io/library/redis:8",), ("docker.io/library/redis:8",)]


def nameless(ended_at: float = START + 2) -> Pull:
    """Return a failed pull without any content, so that only pods have its name."""
    return ended(phase=Phase.FAILED, repositories=(), target_digest=None, ended_at=ended_at)


def refused(name: str, image: str, at: float) -> KubeletEvent:
    return kubelet_event(name, image, at, kind=EventKind.FAILED, message=f'Failed to pull image "{image}": denied')


def explained(pull: Pull, pods: Sequence[PodRecord], *events: KubeletEvent, before: Mapping[str, PullView]) -> PullView:
    [found] = correlate(NODE, [pull], pending_images(*pods, events=events), before).values()
    return found


def test_a_pod_that_came_later_does_not_explain_a_failure() -> None:
    """An aggregator that starts finds old failures beside pods that fail now: these did not wait for those."""
    late = replace(failing("late", "redis:8", "denied"), started_at=START + 9)

    view = explained(nameless(), [late], before={})

    assert (view.image, view.candidates, view.failure) == (None, (), None)


def test_the_failure_of_another_time_does_not_name_a_pull() -> None:
    """One of two candidates failed before the pull started, or long after: it is not that one's failure."""
    early = [refused("a", "nginx:1.29", START - 9)]
    one, other = failing("a", "nginx:1.29", "denied"), pod("b", "redis:8")
    before = {pull().id: row(resolving(), one, other)}

    undecided = explained(nameless(), [one, other], *early, before=before)
    alone = explained(nameless(), [one], *early, before={pull().id: undecided})
    later = explained(nameless(), [one, other], refused("a", "nginx:1.29", START + 9), before=before)
    both = [one, failing("b", "redis:8", "denied")]
    together = [refused("a", "nginx:1.29", START + 2), refused("b", "redis:8", START + 2)]
    again = explained(nameless(), both, *together, refused("a", "nginx:1.29", START + 20), before=before)
    named = explained(
        nameless(), [one, failing("b", "redis:8", "denied")], *early, refused("b", "redis:8", START + 2), before=before
    )

    assert [view.image for view in (undecided, alone, later, again)] == [None] * 4
    assert len(undecided.candidates) == len(alone.candidates) == 2
    assert named.image == "docker.io/library/redis:8"


def test_two_failures_that_fit_explain_nothing() -> None:
    """Where two names fail that might be this pull's, none is chosen."""
    view = row(ended(phase=Phase.FAILED), failing("a", "nginx:1.27", "denied"), failing("b", "nginx:1.29", "not found"))

    assert (view.pull.error, view.image, view.candidates) == (None, None, (f"{NGINX}:1.27", f"{NGINX}:1.29"))


def test_an_explanation_stays_when_the_pod_is_gone() -> None:
    """The reason of a failure outlives the pod that reported it."""
    before = {pull().id: row(ended(phase=Phase.FAILED), failing("web", "nginx:1.29", "denied"))}

    assert row(ended(phase=Phase.FAILED), before=before).pull.error == "denied"


def test_a_completed_pull_has_no_error() -> None:
    """A pod that failed before does not make a success a failure."""
    assert row(ended(), failing("web", "nginx:1.29", "denied")).pull.error is None


def test_an_unknown_end_stays_unexplained() -> None:
    """A pod does not explain a pull with an unknown end."""
    assert row(ended(phase=Phase.UNKNOWN), failing("web", "nginx:1.29", "denied")).pull.error is None


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
