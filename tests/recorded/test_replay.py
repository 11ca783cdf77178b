"""Observations of real containerds through today's tracker: every report is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulltrace.agent import tracker
from pulltrace.agent.tracker import TrackerState
from tests.real.truth import NODE, check_image, check_pull, check_step
from tests.recorded.recording import FOLDER, load

RECORDINGS = sorted(FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("every", [1, 5], ids=["every poll", "every fifth poll"])
def test_a_recording_is_reported_truly(path: Path, every: int) -> None:
    """Every report is right in names, sizes and layers, bytes move on only, and each pull ends as it ended.

    Rarer polls may miss a pull, but every report is true.
    """
    recording = load(path)
    images = {image.target_digest: image for image in recording.images}
    state = TrackerState()
    for number, (now, observation) in enumerate(recording.polls):
        # A poll that lists the images follows an end. Without it, the end would be missing.
        if number % every and observation.images is None and number + 1 < len(recording.polls):
            continue
        before, state = tracker.report(state), tracker.advance(state, observation, now, NODE)
        report = tracker.report(state)
        check_step(before, report)
        for pull in (*report.pulls, *report.recent):
            check_pull(pull)
            if pull.target_digest is not None:
                check_image(pull, images[pull.target_digest])
    reported = [
        [images[pull.target_digest].ref if pull.target_digest else "?", str(pull.phase)]
        for pull in tracker.report(state).recent
    ]
    assert tracker.report(state).pulls == ()
    assert reported == recording.outcomes or (every > 1 and all(end in recording.outcomes for end in reported))


def test_both_versions_were_recorded() -> None:
    """Every situation has a recording of containerd 1.6 and of 2.1."""
    situations = {path.stem.rpartition("-")[0] for path in RECORDINGS}
    assert {path.stem for path in RECORDINGS} == {
        f"{name}-{version}" for name in situations for version in ("1.6", "2.1")
    }
    assert len(situations) >= 5
