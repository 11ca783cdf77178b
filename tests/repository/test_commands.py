"""The commands of the documentation: each is tried. tests/e2e/test_commands.py runs kubectl and curl."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pulltrace.settings.flags import DemoSettings, StandaloneSettings
from pulltrace.settings.parser import read
from tests.deploy import manifests
from tests.repository.commands import ELSEWHERE, NOT_HERE, Command, documented, of_page
from tests.repository.files import ROOT

KINDS: dict[str, type[Any]] = {"standalone": StandaloneSettings, "demo": DemoSettings}
COMMANDS = documented()


def of(program: str) -> list[Any]:
    """Return the commands of a program that are tried as they stand."""
    mine = [one for one in COMMANDS if one.program == program and not one.is_one_of(NOT_HERE | ELSEWHERE)]
    return [pytest.param(one, id=f"{one.page}: {one.text}") for one in mine]


def test_commands_are_found() -> None:
    """Blocks with continued lines and comments, prompts, and whole commands within the text."""
    page = "```sh\nhelm upgrade x \\\n    --set a=b    # why\n```\n```console\n$ kubectl get x\nNAME\n```\nSee `make demo`, `kubectl exec` and `kubectl get node NODE`.\n"

    assert [one.text for one in of_page("page", page)] == [
        "helm upgrade x --set a=b",
        "kubectl get x",
        "make demo",
        "kubectl get node NODE",
    ]


def test_every_command_is_tried_somewhere() -> None:
    """A command's program is run by a test, or the command is on the list of those that cannot run here, with the
    reason.
    """
    assert [one for one in COMMANDS if not one.program and not one.is_one_of(NOT_HERE)] == []


@pytest.mark.parametrize("patterns", [NOT_HERE, ELSEWHERE], ids=["not here", "elsewhere"])
def test_lists_have_nothing_old(patterns: dict[str, str]) -> None:
    """The commands of each list are still in the documentation."""
    assert [pattern for pattern in patterns if not any(re.match(pattern, one.text) for one in COMMANDS)] == []


def test_files_that_run_the_rest_exist() -> None:
    """The tests that run the other commands exist."""
    assert all((ROOT / f"tests/e2e/{name}.py").exists() for name in ELSEWHERE.values())


@pytest.mark.parametrize("command", of("make"))
def test_make_target(command: Command) -> None:
    """Each target of the documentation exists."""
    targets = [word for word in command.words[1:] if "=" not in word]

    assert targets
    for target in targets:
        assert re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", of("python"))
def test_python_module(command: Command) -> None:
    """Each module of the documentation exists."""
    name = ROOT / command.words[command.words.index("-m") + 1].replace(".", "/")

    assert name.with_suffix(".py").exists() or (name / "__main__.py").exists()


@pytest.mark.parametrize("command", of("pulltrace"))
def test_pulltrace(command: Command) -> None:
    """Each program and flag of pulltrace in the documentation exists."""
    _, program, *flags = command.words

    assert read(KINDS[program], flags, {}, program)


@manifests.NEEDS_HELM
@pytest.mark.parametrize("command", of("helm"))
def test_helm(command: Command) -> None:
    """The chart accepts each set of values, and renders objects with it."""
    _, _, release, _, *options = command.words
    options = [word for word in options if word != "--reuse-values"]

    assert "kind: " in manifests.helm(
        "template", release, manifests.CHART, "--kube-version", manifests.KUBERNETES, *options
    )
