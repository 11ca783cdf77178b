"""Pulltrace's two images, built on this machine without Docker and without an image registry.

The Dockerfiles are those that everybody builds; here their base is a Debian made by debootstrap, and what they
install is prepared outside (`/prepared`, see cmd/packages.sh), because a build on a fresh Debian has neither pip
nor the package index settings of the machine. Everything that is made is kept outside the checkout, named by the
hash of what it is made of, so that a second call takes no time.

    python -m tests.deploy.images                                   # build both, print their sizes
    python -m tests.deploy.images --push http://127.0.0.1:5000      # and push them: pulltrace-agent, pulltrace-aggregator
    python -m tests.deploy.images --save /tmp/images                # and copy the OCI archives there
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pulltrace
from tests.cluster import binaries

ROOT = Path(__file__).parents[2]
PROGRAMS = ("agent", "aggregator")
SUITE = "bookworm"
PYTHON = "3.11"
"""The Python of that suite: the packages must be made for it."""
SOURCES = {
    "agent": ("cmd", "pulltrace", "requirements", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE"),
    "web": ("web", "hatch_build.py", "requirements/node.txt", "requirements/tools.txt"),
}
UNUSED = ("dev/*", "usr/share/locale/*", "usr/share/man/*", "var/cache/apt/*", "var/lib/apt/lists/*")
"""Files left out of the base, which each step of a build copies."""
KEPT = 6
"""How many older archives stay in the cache."""
STEP_SECONDS = 600


@dataclass(frozen=True)
class Image:
    """An image in the cache."""

    name: str
    """`pulltrace-agent` or `pulltrace-aggregator`."""
    archive: Path
    """An OCI archive: a tar of blobs, their layers compressed as a registry has them."""

    @cached_property
    def manifest(self) -> dict[str, Any]:
        index: dict[str, Any] = json.loads(self._read("index.json"))
        found: dict[str, Any] = json.loads(self.blob(index["manifests"][0]["digest"]))
        return found

    @property
    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.blob(self.manifest["config"]["digest"]))
        return found

    @property
    def size(self) -> int:
        """The bytes that a node downloads."""
        return sum(int(part["size"]) for part in (*self.manifest["layers"], self.manifest["config"]))

    def blob(self, digest: str) -> bytes:
        return self._read(f"blobs/{digest.replace(':', '/')}")

    def unpack(self, folder: Path) -> None:
        """Write the root file system of the image into a folder."""
        for layer in self.manifest["layers"]:
            with tempfile.TemporaryFile() as file:
                file.write(self.blob(layer["digest"]))
                file.seek(0)
                with tarfile.open(fileobj=file) as tar:
                    tar.extractall(folder, filter="fully_trusted")

    def push(self, registry: str, *, repository: str = "", tag: str = pulltrace.__version__) -> str:
        """Push it to a registry without authentication (`http://host:port`); the digest of its manifest."""
        base = f"{registry.rstrip('/')}/v2/{repository or self.name}"
        for part in (*self.manifest["layers"], self.manifest["config"]):
            if _http("HEAD", f"{base}/blobs/{part['digest']}") == 404:
                place = _upload_place(f"{base}/blobs/uploads/")
                place += ("&" if "?" in place else "?") + f"digest={part['digest']}"
                _http("PUT", place, self.blob(part["digest"]), "application/octet-stream")
        index: dict[str, Any] = json.loads(self._read("index.json"))
        digest = str(index["manifests"][0]["digest"])
        kind = self.manifest.get("mediaType", "application/vnd.oci.image.manifest.v1+json")
        _http("PUT", f"{base}/manifests/{tag}", self.blob(digest), kind)
        return digest

    def _read(self, name: str) -> bytes:
        with tarfile.open(self.archive) as tar:
            member = tar.extractfile(name)
            assert member, name
            return member.read()


def build(programs: Sequence[str] = PROGRAMS) -> dict[str, Image]:
    """Return the images of these programs, built when the cache does not have them."""
    cache = binaries.cache_root() / "images"
    cache.mkdir(parents=True, exist_ok=True)
    built = {}
    for program in programs:
        key = _hash([*SOURCES["agent"], *(SOURCES["web"] if program == "aggregator" else ()), "tests/deploy/images.py"])
        archive = cache / f"{program}-{key}.tar"
        with _locked(cache / f".{program}.lock"):
            if not archive.exists():
                _say(f"building the image of the {program} (a minute or two the first time)")
                started = time.monotonic()
                _build(program, archive)
                _say(f"built it in {time.monotonic() - started:.0f} s")
            _forget(cache, f"{program}-*.tar", archive)
        built[program] = Image(f"pulltrace-{program}", archive)
    return built


def _build(program: str, archive: Path) -> None:
    base = _base()
    with tempfile.TemporaryDirectory(prefix="pulltrace-image-", dir="/var/tmp") as folder:
        context, prepared, storage = (Path(folder) / name for name in ("context", "prepared", "storage"))
        _copy(SOURCES["agent"], context)
        shutil.copyfile(ROOT / ".dockerignore", context / ".dockerignore")
        (context / "web").mkdir()  # the UI is prepared, but the Dockerfile copies its sources
        if program == "aggregator":
            shutil.copytree(_web(), context / "pulltrace/server/static")
        _prepare(program, context, prepared / program)
        buildah = [
            *(_program("buildah", "buildah"), "--storage-driver", _storage_driver(Path(folder))),
            *("--root", storage / "root", "--runroot", storage / "run"),
        ]
        container = _run([*buildah, "from", "scratch"]).strip()
        _run([*buildah, "add", "--quiet", container, base, "/"])
        _run([*buildah, "commit", "--quiet", "--rm", container, "localhost/base"])
        command = [
            *(*buildah, "bud", "--isolation", "chroot", "--timestamp", "0", "--network", "host"),
            *("--build-arg", "BASE_IMAGE=localhost/base", "--volume", f"{prepared}:/prepared:ro"),
            *("--file", context / f"cmd/{program}/Dockerfile", "--tag", "localhost/built", context),
        ]
        _run(command)
        name = f"localhost/pulltrace-{program}:{pulltrace.__version__}"
        made = archive.with_suffix(".new")
        made.unlink(missing_ok=True)
        _run([*buildah, "push", "--quiet", "localhost/built", f"oci-archive:{made}:{name}"])
        made.replace(archive)


def _prepare(program: str, sources: Path, site: Path) -> None:
    """Install the locked packages and pulltrace for the Python of the base."""
    install = ["uv", "pip", "install", "--quiet", "--target", site, "--python-version", PYTHON]
    _run([*install, "--require-hashes", "--only-binary", ":all:", "-r", sources / f"requirements/{program}.txt"])
    wheels = site.with_name("wheels")
    hatchling = [_tools() / "bin/python", "-m", "hatchling", "build", "--target", "wheel", "--directory", wheels]
    _run(hatchling, folder=sources, PULLTRACE_SKIP_WEB="1")
    _run([*install, "--no-deps", *wheels.glob("*.whl")])


def _web() -> Path:
    """Return the folder of the built web UI."""
    built = binaries.cache_root() / "images" / f"web-{_hash(SOURCES['web'])}"
    if not built.exists():
        _say("building the web UI")
        with tempfile.TemporaryDirectory(prefix="pulltrace-web-") as folder:
            sources = Path(folder)
            _copy(SOURCES["web"], sources)
            (sources / "pulltrace/server").mkdir(parents=True)
            _run([_tools() / "bin/python", "hatch_build.py"], folder=sources)
            made = built.with_suffix(".new")
            shutil.rmtree(made, ignore_errors=True)
            shutil.copytree(sources / "pulltrace/server/static", made)
            made.replace(built)
        _forget(built.parent, "web-*", built)
    return built


def _tools() -> Path:
    """Return an environment that builds wheel and UI: hatchling, and Node.js for machines without it."""
    locks = ("requirements/tools.txt", "requirements/node.txt")
    folder = binaries.cache_root() / "images" / f"tools-{_hash(locks)}"
    if not (folder / ".done").exists():
        _run(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, folder])
        files = [word for lock in locks for word in ("-r", ROOT / lock)]
        _run(["uv", "pip", "install", "--quiet", "--python", folder / "bin/python", "--require-hashes", *files])
        (folder / ".done").touch()
        _forget(folder.parent, "tools-*", folder)
    return folder


def _base() -> Path:
    """Return the root file system of a Debian with Python: a tar in the cache."""
    archive = binaries.cache_root() / "images" / f"base-{SUITE}.tar"
    with _locked(archive.with_suffix(".lock")):
        if not archive.exists():
            debootstrap = _program("debootstrap", "debootstrap")
            _say(f"making a Debian {SUITE} with Python (about a minute)")
            with tempfile.TemporaryDirectory(prefix="pulltrace-base-", dir="/var/tmp") as folder:
                root = Path(folder) / "root"
                _run([debootstrap, "--variant=minbase", "--include=python3,ca-certificates", SUITE, root])
                made = archive.with_suffix(".new")
                exclude = [f"--exclude=./{unused}" for unused in UNUSED]
                _run(["tar", "--create", "--numeric-owner", "--directory", root, *exclude, "--file", made, "."])
                made.replace(archive)
    return archive


def _storage_driver(folder: Path) -> str:
    """`overlay` where it works; it does not on an overlay, such as the root of a container."""
    lower, upper, work, merged = (folder / "try" / name for name in ("lower", "upper", "work", "merged"))
    for one in (lower, upper, work, merged):
        one.mkdir(parents=True)
    try:
        _run(["mount", "-t", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", "overlay", merged])
    except RuntimeError:
        return "vfs"  # copies the whole for each step
    _run(["umount", merged])
    return "overlay"


def _program(name: str, package: str) -> Path:
    found = shutil.which(name, path=binaries.SYSTEM_PATH)
    if not found:
        raise binaries.MissingProgram(f"{name} is not installed: apt-get install {package}")
    return Path(found)


def _sources(paths: Sequence[str]) -> list[Path]:
    """Return the files that git knows, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *paths]
    names = _run(command, folder=ROOT).split("\0")
    return sorted(path for path in {ROOT / name for name in names if name} if path.is_file())


def _hash(paths: Sequence[str]) -> str:
    digest = hashlib.sha256(f"{SUITE} {PYTHON}".encode())
    for path in _sources(paths):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {os.access(path, os.X_OK)} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]


def _copy(paths: Sequence[str], folder: Path) -> None:
    for path in _sources(paths):
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def _forget(cache: Path, pattern: str, newest: Path) -> None:
    """Delete all but the newest few files of a pattern."""
    newest.touch()
    found = [path for path in cache.glob(pattern) if path.suffix != ".new"]
    for path in sorted(found, key=lambda path: path.stat().st_mtime)[:-KEPT]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _run(argv: Sequence[object], *, folder: Path | None = None, **environment: str) -> str:
    command = list(map(str, argv))
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=STEP_SECONDS,
        check=False,
    )
    if result.returncode:
        words = " ".join(command)
        raise RuntimeError(f"{words} ended with {result.returncode}:\n{result.stderr[-4000:]}{result.stdout[-4000:]}")
    return result.stdout


def _upload_place(url: str) -> str:
    request = urllib.request.Request(url, b"", method="POST")
    with _opener().open(request, timeout=60) as answer:
        place = str(answer.headers["Location"])
    return place if "://" in place else urljoin(url, place)


def _http(method: str, url: str, data: bytes | None = None, kind: str = "") -> int:
    request = urllib.request.Request(url, data, {"Content-Type": kind} if kind else {}, method=method)
    try:
        with _opener().open(request, timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 404 and method == "HEAD":
                return 404
            raise RuntimeError(f"{method} {url}: {error.code} {error.read()[:300]!r}") from error


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.images", description="Builds Pulltrace's images.")
    parser.add_argument("programs", nargs="*", default=PROGRAMS, metavar="PROGRAM", help="agent, aggregator; both")
    parser.add_argument("--push", metavar="URL", help="push them to this registry")
    parser.add_argument("--save", metavar="FOLDER", type=Path, help="copy their OCI archives to this folder")
    given = parser.parse_args(arguments)
    if wrong := set(given.programs) - set(PROGRAMS):
        parser.error(f"there is no {', '.join(sorted(wrong))}: it takes {' and '.join(PROGRAMS)}")
    for image in build(given.programs).values():
        print(f"{image.name}:{pulltrace.__version__}  {image.size / 1e6:.1f} MB compressed  {image.archive}")
        if given.push:
            print(f"pushed to {given.push}: {image.push(given.push)}")
        if given.save:
            given.save.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image.archive, given.save / f"{image.name}.tar")


if __name__ == "__main__":
    main(sys.argv[1:])
