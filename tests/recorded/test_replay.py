"""What real containerds showed, through the tracker of today: nothing that it says is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulltrace.agent import tracker
from pulltrace.agent.tracker import TrackerState
from tests.real.truth import NODE, check_image, check_pull, check_step
from tests.recorded.recording import FOLDER, load

RECORDINGS = sorted(FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("every", [1, 5], ids=["every look", "every fifth look"])
def test_a_recording_is_told_truly(path: Path, every: int) -> None:
    """Every report is right in names, sizes and layers, bytes move on only, and each pull ends as it ended.

    Who looks less often may miss a pull, but tells nothing that is not true.
    """
    recording = load(path)
    images = {image.target_digest: image for image in recording.images}
    state = TrackerState()
    for number, (now, observation) in enumerate(recording.looks):
        # A look that lists the images is one after an end: leaving it out would leave out what it found.
        if number % every and observation.images is None and number + 1 < len(recording.looks):
            continue
        before, state = tracker.report(state), tracker.advance(state, observation, now, NODE)
        report = tracker.report(state)
        check_step(before, report)
        for pull in (*report.pulls, *report.recent):
            check_pull(pull)
            if pull.target_digest is not None:
                check_image(pull, images[pull.target_digest])
    told = [
        [images[pull.target_digest].ref if pull.target_digest else "?", str(pull.phase)]
        for pull in tracker.report(state).recent
    ]
    assert tracker.report(state).pulls == ()
    assert told == recording.outcomes or (every > 1 and all(end in recording.outcomes for end in told))


def test_both_versions_were_recorded() -> None:
    """Every situation is there from containerd 1.6 and from 2.1."""
    situations = {path.stem.rpartition("-")[0] for path in RECORDINGS}
    assert {path.stem for path in RECORDINGS} == {
        f"{name}-{version}" for name in situations for version in ("1.6", "2.1")
    }
    assert len(situations) >= 5
