"""Children that end, and waits that say why they failed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.processes import Process, WaitFailed, _group_lives, wait_until

SLEEPS_WITH_CHILD = ["sh", "-c", "trap '' TERM; echo started; sleep 1000 & wait; wait"]


def test_a_failed_wait_carries_the_log(tmp_path: Path) -> None:
    """A program that ends while it is waited for fails the wait at once, with the end of its log."""
    process = Process(["sh", "-c", "echo no such luck"], tmp_path / "log")
    process.start()

    with pytest.raises(WaitFailed, match=r"(?s)sh ended.*no such luck"):
        process.wait_until(lambda: False, "a miracle")
    process.stop()


def test_a_wait_ends_at_its_deadline() -> None:
    """A condition that never comes true fails the wait with what was waited for."""
    with pytest.raises(WaitFailed, match=r"waited for a miracle: after 0\.1 s"):
        wait_until(lambda: False, "a miracle", seconds=0.1)


def test_the_whole_group_is_killed(tmp_path: Path) -> None:
    """A program that ignores SIGTERM is killed with its children."""
    process = Process(SLEEPS_WITH_CHILD, tmp_path / "log")
    process.start()
    group = process.pid
    process.wait_until(lambda: "started" in process.tail(), "the first line")

    process.stop(seconds=0.2)

    assert not process.running
    wait_until(lambda: not _group_lives(group), "the group to be gone")


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    """A Python that is killed takes what it started with it."""
    script = (
        "import time; from pathlib import Path; from tests.cluster.processes import Process;"
        f"p = Process(['sleep', '1000'], Path({str(tmp_path / 'log')!r})); p.start(); print(p.pid, flush=True);"
        "time.sleep(1000)"
    )
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=root, stdout=subprocess.PIPE, encoding="utf-8")
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert _group_lives(child)

    parent.send_signal(signal.SIGKILL)
    parent.communicate()

    wait_until(lambda: not _group_lives(child), "the child to end")
