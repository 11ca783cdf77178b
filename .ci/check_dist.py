"""Build the wheel and the source distribution, check their files, and run the wheel without the checkout.

python .ci/check_dist.py            # for tox
python .ci/check_dist.py dist       # for a release: keeps them in that folder
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
UI = "pulltrace/server/static/index.html"
RUNS = {
    "agent": "pulltrace.agent.run, pulltrace.kube.client.h11_client, pulltrace.kube.resources.leases",
    "aggregator": "pulltrace.aggregator.run, pulltrace.kube.client.aiohttp_client, pulltrace.kube.watch.multi_namespace",
    "all": "pulltrace.agent.run, pulltrace.aggregator.run",
}
"""The imports of a process that installs only this extra, for each extra."""


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run("hatchling", "build", "--directory", temporary, cwd=ROOT)
        [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")

        packed = set(zipfile.ZipFile(wheel).namelist())
        need("the wheel", packed, {path.relative_to(ROOT).as_posix() for path in (ROOT / "pulltrace").rglob("*.py")})
        refuse("the wheel", packed, ("tests/", "web/", "cmd/"))
        with tarfile.open(sdist) as archive:
            sources = {name.partition("/")[2] for name in archive.getnames()}
        need("the source distribution", sources, {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE"})
        refuse("the source distribution", sources, ("web/node_modules/", "tests/"))
        if (ROOT / "web/index.html").exists():
            need("the wheel", packed, {UI})
            need("the source distribution", sources, {"web/package.json", "web/package-lock.json", "web/index.html"})

        for extra, modules in RUNS.items():
            check_install(folder / extra, wheel, ROOT / f"requirements/{extra}.txt", modules)
        for folder_name in sys.argv[1:]:
            Path(folder_name).mkdir(exist_ok=True)
            shutil.copy2(wheel, folder_name)
            shutil.copy2(sdist, folder_name)
        print(f"{wheel.name}: {len(packed)} files, {wheel.stat().st_size >> 10} KiB; installs and runs")


def check_install(venv: Path, wheel: Path, lock: Path, modules: str) -> None:
    """Install the wheel with the locked packages of one extra alone, and import the extra's modules."""
    python = str(venv / "bin/python")
    run("uv", "venv", "--quiet", "--python", sys.executable, str(venv), cwd=venv.parent)
    run("uv", "pip", "install", "--quiet", "--python", python, "--require-hashes", "-r", str(lock), cwd=venv.parent)
    run("uv", "pip", "install", "--quiet", "--python", python, "--no-deps", str(wheel), cwd=venv.parent)
    run("uv", "pip", "check", "--quiet", "--python", python, cwd=venv.parent)
    run(python, "-c", f"import {modules}", cwd=venv.parent)
    run(str(venv / "bin/pulltrace"), "--version", cwd=venv.parent)


def need(what: str, files: set[str], wanted: set[str]) -> None:
    if missing := sorted(wanted - files):
        sys.exit(f"{what} lacks {', '.join(missing)}")


def refuse(what: str, files: set[str], prefixes: tuple[str, ...]) -> None:
    if unwanted := sorted(name for name in files if name.startswith(prefixes)):
        sys.exit(f"{what} has {len(unwanted)} files that do not belong there, such as {unwanted[0]}")


def run(*command: str, cwd: Path) -> None:
    """Run a program away from the checkout's own modules, with its output."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    if result := subprocess.run(command, cwd=cwd, env=environment, check=False).returncode:
        sys.exit(f"{' '.join(command)} ended with {result}")


if __name__ == "__main__":
    main()
