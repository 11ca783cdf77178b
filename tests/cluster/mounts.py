"""The remains of a container runtime: mounts, shims and folders, found by their common folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.processes import run, wait_until


def below(folder: Path) -> list[Path]:
    """Return the mount points at or below a folder, innermost first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        point = Path(line.split(" ")[4].encode().decode("unicode_escape"))
        if point.is_relative_to(folder):
            found.append(point)
    return sorted(found, key=lambda point: len(point.parts), reverse=True)


def make(folder: Path) -> None:
    """Make a folder in which containerd's overlayfs works: not on another overlay, as in a container."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if _file_system_of(folder) == "overlay":
        print(f"{folder} is on an overlay, where containers cannot have theirs: mounting a tmpfs", file=sys.stderr)
        run([binaries.debian("mount"), "-t", "tmpfs", "-o", "mode=755", "pulltrace-tests", folder])


def _file_system_of(folder: Path) -> str:
    return run(["stat", "--file-system", "--format=%T", folder]).strip().removesuffix("fs")


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below a folder, busy or not."""
    for point in below(folder):
        subprocess.run([binaries.debian("umount"), "-l", point], capture_output=True, check=False)


def users_of(folder: Path) -> list[int]:
    """Return the processes whose command line names something at or below a folder, or that run from there."""
    needle = str(folder).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            root = (entry / "cwd").readlink()
        except OSError:
            continue
        if any(_names(word, needle) for word in words) or root.is_relative_to(folder):
            found.append(int(entry.name))
    return found


def _names(word: bytes, needle: bytes) -> bool:
    path = word.partition(b"=")[2] if word.startswith(b"-") else word
    return path == needle or path.startswith(needle + b"/")


def end_users_of(folder: Path) -> None:
    """Kill the processes that `users_of` finds, and wait until they are gone."""

    def gone() -> bool:
        left = users_of(folder)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not left

    wait_until(gone, f"the processes that use {folder} to end", seconds=20)


def remove(folder: Path) -> None:
    """Unmount and delete a folder; an error names what could not be deleted."""
    unmount_below(folder)
    if folder.exists():
        shutil.rmtree(folder)
