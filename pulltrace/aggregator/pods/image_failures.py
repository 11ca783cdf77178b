"""Why an image of a pod is not there, told by pod status and Events together. Pure.

The kubelet says why only once a try, as `ErrImagePull`; for the minutes of back-off after it the status often has no
more than `ImagePullBackOff`. So the first words are kept until others come, tries are counted as they are seen, and
the next try is reckoned from the last failure by the kubelet's own rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pulltrace.aggregator.pods.kubelet_event_index import ImagePullStatus
from pulltrace.kube.resources.pending_pods import ImageWait
from pulltrace.pulls.failures import NEVER_PULLED, PULL_FAILED, Failure, Reason, classify, retry_seconds, root_cause

BACK_OFF = "ImagePullBackOff"
FAILED = PULL_FAILED | NEVER_PULLED | {"ImageInspectError"}


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """The failure of one image of a pod, and what is needed to go on from it."""

    failure: Failure
    since: float
    """When it was first seen to fail, on the aggregator's monotonic clock; -inf: before this aggregator began."""
    reason: str | None
    """The kubelet's word, as last seen."""
    explained: bool
    """The message is more than the kubelet's word."""
    by_status: bool = True
    """The message is from the pod's status, or only a word; else from an Event, which others may have written."""


def trouble(
    before: ImageFailure | None, wait: ImageWait, said: ImagePullStatus, since: float, now: float
) -> ImageFailure | None:
    """What is wrong with an image now; None when nothing is. `since`: what a failure that is new has as its begin."""
    told = wait.reason if wait.reason in FAILED else None
    if told is None and not said.tries:
        return None
    status_words = root_cause(wait.message or "" if told is not None else "")
    words = status_words or root_cause(said.words)
    by_status = bool(status_words) or not words
    word = told or "ErrImagePull"
    if before is None:
        return ImageFailure(_failure(word, words, max(1, said.tries), now), since, told, bool(words), by_status)
    failure, source = before.failure, before.by_status
    # A try that an Event has told of before is not counted again when the status tells it, too.
    anew = told not in {None, BACK_OFF, before.reason} and before.reason is not None and said.tries <= failure.tries
    tries = max(failure.tries + anew, said.tries)
    if tries > failure.tries:
        source = by_status if words else source
        words = words or (failure.message if before.explained else "")
        failure = _failure(word, words, tries, now)
    elif words and (not before.explained or told != BACK_OFF):
        failure, source = replace(failure, reason=classify(word, words), message=words), by_status
    return ImageFailure(failure, before.since, told, before.explained or bool(words), source)


def _failure(word: str, words: str, tries: int, now: float) -> Failure:
    reason = classify(word, words)
    never = word in NEVER_PULLED or reason in {Reason.INVALID_NAME, Reason.NEVER_PULL}
    return Failure(reason, words or word, tries, None if never else now + retry_seconds(tries))
