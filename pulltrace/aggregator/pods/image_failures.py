"""Why an image of a pod is not present, from pod status and Events together. Pure.

The kubelet gives the cause only once an attempt, as `ErrImagePull`. During the minutes of back-off after it, the status
often has no more than `ImagePullBackOff`. So the cause is kept until another one comes, attempts are counted as they are
seen, and the next one is computed from the last failure by the kubelet's own rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pulltrace.aggregator.pods.image_pull_status import ImagePullStatus
from pulltrace.kube.resources.pending_pods import ImageWait
from pulltrace.pulls.failures import NEVER_PULLED, PULL_FAILED, Failure, Reason, classify, retry_seconds, root_cause

BACK_OFF = "ImagePullBackOff"
FAILED = PULL_FAILED | NEVER_PULLED | {"ImageInspectError"}


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """The failure of one image of a pod, with what the next update needs."""

    failure: Failure
    since: float
    """When it was first seen to fail, on the aggregator's monotonic clock; -inf: before this aggregator started."""
    reason: str | None
    """The kubelet's reason in the pod's status, as last seen."""
    explained: bool
    """The message is more than the kubelet's reason."""
    by_status: bool = True
    """The message is from the pod's status, or only a reason. Others may have written the message of an Event."""


def update_failure(
    before: ImageFailure | None, wait: ImageWait, events: ImagePullStatus, since: float, now: float
) -> ImageFailure | None:
    """Return the failure of an image now; None without one. `since`: the first sight of a new failure."""
    reason = wait.reason if wait.reason in FAILED else None
    if reason is None and not events.tries:
        return None
    status_cause = root_cause(wait.message or "" if reason is not None else "")
    cause = status_cause or root_cause(events.message)
    by_status = bool(status_cause) or not cause
    known_reason = reason or "ErrImagePull"
    if before is None:
        return ImageFailure(
            _failure(known_reason, cause, max(1, events.tries), now), since, reason, bool(cause), by_status
        )
    failure, source = before.failure, before.by_status
    # The status repeats an attempt that an Event has reported before.
    new_try = reason not in {None, BACK_OFF, before.reason} and before.reason is not None
    tries = max(failure.tries + (new_try and events.tries <= failure.tries), events.tries)
    if tries > failure.tries:
        source = by_status if cause else source
        cause = cause or (failure.message if before.explained else "")
        failure = _failure(known_reason, cause, tries, now)
    elif cause and (not before.explained or reason != BACK_OFF):
        failure, source = replace(failure, reason=classify(known_reason, cause), message=cause), by_status
    return ImageFailure(failure, before.since, reason, before.explained or bool(cause), source)


def _failure(kubelet_reason: str, cause: str, tries: int, now: float) -> Failure:
    reason = classify(kubelet_reason, cause)
    never = kubelet_reason in NEVER_PULLED or reason in {Reason.INVALID_NAME, Reason.NEVER_PULL}
    return Failure(reason, cause or kubelet_reason, tries, None if never else now + retry_seconds(tries))
