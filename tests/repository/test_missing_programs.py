"""tests/conftest.py: tests on a real system when that system is missing."""

from __future__ import annotations

import pytest

from tests.repository.files import ROOT

pytest_plugins = ["pytester"]

CONFTEST = """
import os
from tests.cluster import binaries
binaries.main = lambda names: None
binaries.SYSTEM_PATH = "/nowhere"
os.geteuid = lambda: {user}
from tests.conftest import *
"""
TESTS = """
import pytest
from tests.cluster import binaries

@pytest.mark.real
def test_plain(): pass

@pytest.mark.real("etcd")
def test_named(): pass

@pytest.fixture
def apiserver():
    raise binaries.MissingProgram("kube-apiserver cannot be built: install Go 1.26 or newer")

@pytest.mark.e2e
def test_cluster(): pass

def test_fast(): pass
"""


def run(pytester: pytest.Pytester, tests: str, *, user: int, ci: str, path: str = "/nowhere") -> pytest.RunResult:
    pytester.makeconftest(CONFTEST.format(user=user).replace("/nowhere", path))
    pytester.makepyfile(tests)
    pytester.makeini("[pytest]\nmarkers =\n  real\n  e2e\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CI", ci)
        patch.setenv("PYTHONPATH", str(ROOT))
        return pytester.runpytest_subprocess("-rsf", "-p", "no:cacheprovider", timeout=25)


def test_missing_program_skips_and_names_the_package(pytester: pytest.Pytester) -> None:
    """On a developer's machine a test is skipped, and the reason is the command that helps."""
    result = run(pytester, TESTS, user=0, ci="")

    result.assert_outcomes(passed=1, skipped=3)
    result.stdout.fnmatch_lines_random(
        [
            "SKIPPED*containerd is not installed: apt-get install containerd",
            "SKIPPED*etcd is not installed: apt-get install etcd-server",
        ]
    )


def test_missing_root_skips_and_names_the_command(pytester: pytest.Pytester) -> None:
    """Without root no program is looked for: the reason names the command with root."""
    result = run(pytester, TESTS, user=1000, ci="")

    result.assert_outcomes(passed=1, skipped=3)
    result.stdout.fnmatch_lines_random(
        ["SKIPPED*needs root: sudo make test-real", "SKIPPED*needs root: sudo make test-e2e"]
    )


def test_nothing_is_skipped_in_ci(pytester: pytest.Pytester) -> None:
    """With CI=true a missing program is a failure."""
    result = run(pytester, TESTS, user=0, ci="true")

    result.assert_outcomes(passed=1, errors=3)
    result.stdout.fnmatch_lines(["*etcd is not installed: apt-get install etcd-server (CI=true: nothing is skipped)"])


def test_program_that_a_fixture_lacks_counts_as_missing(pytester: pytest.Pytester) -> None:
    """A program that cannot be built is found by a fixture, and treated the same."""
    tests = TESTS.replace("@pytest.mark.e2e", '@pytest.mark.real("sh")').replace(
        "def test_cluster()", "def test_built(apiserver)"
    )
    result = run(pytester, tests, user=0, ci="", path="/bin")

    result.stdout.fnmatch_lines(["SKIPPED*kube-apiserver cannot be built: install Go 1.26 or newer"])
