"""Common to all tests: when those that need a real system run, are skipped, or fail.

A test marked `real` needs root and containerd, or the programs its marker names; one marked `e2e` needs the whole
cluster. On a developer's machine a missing program skips the test, and the reason names the command that installs it.
With CI=true a missing program is a failure.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import NoReturn

import pytest
from hypothesis import settings

from tests.cluster import binaries

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
REAL_TEST_SECONDS = 120
E2E_TEST_SECONDS = 600
PROGRAMS = {"real": ("containerd", "runc"), "e2e": ("etcd", "containerd", "runc", "docker-registry", "ip", "nft")}
BUILT = {
    "real": ("kube-apiserver", *binaries.CONTAINERD2.packages),
    "e2e": tuple(program for module in binaries.CLUSTER for program in module.packages),
}

# A shared machine may stop for a moment: no deadline for an example. In CI every run tries the same examples.
settings.register_profile("pulltrace", deadline=None, derandomize=IN_CI, database=None)
settings.load_profile("pulltrace")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests on real systems more time; their fixtures have deadlines of their own."""
    for item in items:
        if not item.get_closest_marker("timeout") and (kind := _kind(item)):
            seconds = E2E_TEST_SECONDS if kind == "e2e" else REAL_TEST_SECONDS
            item.add_marker(pytest.mark.timeout(seconds, func_only=True))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the programs of the tests from source before the first test, so that the progress is visible."""
    kinds = {kind for item in session.items if (kind := _kind(item))}
    if session.config.option.collectonly or not kinds or os.geteuid() != 0:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            binaries.main(sorted({program for kind in kinds for program in BUILT[kind]}))
        except binaries.MissingProgram as error:
            print(error, file=sys.stderr)  # each test that needs it repeats the reason


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    if kind := _kind(item):
        marker = item.get_closest_marker(kind)
        _require_root(kind)
        for program in (marker and marker.args) or PROGRAMS[kind]:
            try:
                binaries.debian(program)
            except binaries.MissingProgram as error:
                _missing(str(error))
    try:
        return (yield)
    except binaries.MissingProgram as error:
        _missing(str(error))


def _kind(item: pytest.Item) -> str | None:
    return next((kind for kind in ("e2e", "real") if item.get_closest_marker(kind)), None)


def _require_root(kind: str) -> None:
    if os.geteuid() != 0:
        _missing(f"needs root: sudo make test-{kind}")


def _missing(what: str) -> NoReturn:
    if IN_CI:
        pytest.fail(f"{what} (CI=true: nothing is skipped)", pytrace=False)
    pytest.skip(what)
