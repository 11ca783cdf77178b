"""Images of others that builds and workflows start: named by digest, and known to the robot that renews them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.repository.files import ROOT, name_of, tracked

DOCKERFILES = tracked("*Dockerfile*", "*.dockerfile", "*Containerfile*")
WORKFLOWS = tracked(".github/workflows/*.y*ml", ".github/actions/**/*.y*ml")
PINNED = re.compile(r"[a-z0-9.-]+\.[a-z]+(?:/[\w.-]+)+:[\w.-]+@sha256:[0-9a-f]{64}")
"""Registry, repository, tag and digest: the tag is for people and for the robot."""
RENOVATE = json.loads((ROOT / "renovate.json").read_text())


def bases(dockerfile: str) -> Iterator[str]:
    """Return the base images of a Dockerfile's stages, except its own stages and `scratch`."""
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", dockerfile, re.MULTILINE))
    stages = {"scratch"}
    for image, stage in re.findall(r"^FROM (?:--\S+ )*(\S+)(?: AS (\S+))?$", dockerfile, re.MULTILINE | re.IGNORECASE):
        known = re.sub(r"\$\{?(\w+)\}?", lambda name: arguments[name[1]], image)
        if known not in stages:
            yield known
        stages.add(stage)


def images(value: Any, key: str = "") -> Iterator[str]:
    """Yield the images that a workflow names, wherever it does."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from images(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from images(inner, key)
    elif isinstance(value, str):
        if key in {"image", "container"}:
            yield value
        yield from re.findall(r"\bimage=(\S+)", value) if key == "driver-opts" else ()
        yield from re.findall(r"^docker://(\S+)", value) if key == "uses" else ()


@pytest.mark.parametrize("path", DOCKERFILES, ids=name_of)
def test_bases_are_pinned(path: Path) -> None:
    """Each base image of a Dockerfile is named by tag and digest, also as the default of an ARG."""
    text = path.read_text()

    assert list(bases(text))
    assert [base for base in bases(text) if not PINNED.fullmatch(base)] == []
    assert re.findall(r"^# *syntax *=(?!.*@sha256:).*$|--from=[a-z0-9.-]+/[^\s@]+\s", text, re.MULTILINE) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_images_of_workflows_are_pinned(path: Path) -> None:
    """Each image that a workflow runs is named by tag and digest."""
    assert [image for image in images(yaml.safe_load(path.read_text())) if not PINNED.fullmatch(image)] == []


@pytest.mark.parametrize(
    ("action", "setting"), [("docker/setup-qemu-action", "image"), ("docker/setup-buildx-action", "driver-opts")]
)
def test_actions_start_no_default_image(action: str, setting: str) -> None:
    """Actions that start an image of their own choice, by a tag that moves, get an explicit one."""
    jobs = [job for path in WORKFLOWS for job in yaml.safe_load(path.read_text())["jobs"].values()]
    used = [step for job in jobs for step in job.get("steps", []) if step.get("uses", "").startswith(f"{action}@")]

    assert used
    assert [step for step in used if "@sha256:" not in step["with"].get(setting, "")] == []


def test_both_dockerfiles_have_one_base() -> None:
    """Agent and aggregator stand on the same image."""
    assert len({base for path in DOCKERFILES for base in bases(path.read_text())}) == 1


def test_robot_knows_every_image() -> None:
    """Renovate reads Dockerfiles and jobs' containers by itself; the images of actions it finds by our expression."""
    [custom] = RENOVATE["customManagers"]
    expression = re.sub(r"\(\?<(?=\w)", "(?P<", custom["matchStrings"][0])
    named = {f"{one['depName']}:{one['currentValue']}@{one['currentDigest']}" for path in WORKFLOWS for one in (
        match.groupdict() for match in re.finditer(expression, path.read_text())
    )}  # fmt: skip
    containers = set()
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            containers |= set(images({"container": job.get("container", {})}))
    every = {image for path in WORKFLOWS for image in images(yaml.safe_load(path.read_text()))}

    assert named | containers == every
    assert {"custom.regex", "dockerfile", "github-actions"} <= set(RENOVATE["enabledManagers"])
    assert re.match(custom["managerFilePatterns"][0].strip("/").replace("\\/", "/"), ".github/workflows/release.yaml")


def test_only_one_robot() -> None:
    """Two robots would open two pull requests for one update."""
    assert not (ROOT / ".github/dependabot.yml").exists()
