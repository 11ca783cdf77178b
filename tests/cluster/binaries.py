"""Where the programs of the real systems are: built from source into a cache, or of a Debian package.

Kubernetes, containerd 2.1 and helm are not in Debian, nor are the programs of a release (cosign, syft) and
actionlint, so they are built by Go from the small modules beside this file, whose go.mod names the version
and whose go.sum pins every byte. The cache is outside the checkout and keyed by version; a program is
built into a temporary file and renamed, under a lock.

    python -m tests.cluster.binaries            # build all of them (about 18 minutes on 2 cores, once)
    python -m tests.cluster.binaries kubectl    # only these
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


class MissingProgram(RuntimeError):
    """A program is neither in the cache nor installed; the message says what to do."""


@dataclass(frozen=True)
class Module:
    """A Go module of ours whose only purpose is to build some programs of one required module."""

    folder: str
    requires: str
    packages: dict[str, str]
    """Program name to Go package."""
    stamps: tuple[str, ...] = ()
    """Go variables that tell the program its version."""
    build_flags: tuple[str, ...] = ()
    cold_minutes: float = 1

    @property
    def version(self) -> str:
        """The version that go.mod requires."""
        text = (FOLDER / self.folder / "go.mod").read_text(encoding="utf-8")
        found = re.search(rf"^require {re.escape(self.requires)} (\S+)$", text, re.MULTILINE)
        if not found:
            raise MissingProgram(f"{self.folder}/go.mod does not require {self.requires}")
        return found[1]

    @property
    def ldflags(self) -> str:
        """Without symbols, and with the version, which the program would not know otherwise."""
        number = self.version.removeprefix("v")
        major, minor = number.split(".")[:2]
        fields = {"version": self.version, "number": number, "major": major, "minor": minor}
        return " ".join(["-s -w", *(f"-X {stamp.format(**fields)}" for stamp in self.stamps)])


KUBERNETES = Module(
    folder="kubernetes",
    requires="k8s.io/kubernetes",
    packages={
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in (
            "kube-apiserver",
            "kubectl",
            "kubelet",
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
        )
    },
    stamps=(
        "k8s.io/component-base/version.gitVersion={version}",
        "k8s.io/component-base/version.gitMajor={major}",
        "k8s.io/component-base/version.gitMinor={minor}",
    ),
    cold_minutes=9,
)
CONTAINERD2 = Module(
    folder="containerd2",
    requires="github.com/containerd/containerd/v2",
    packages={
        name: f"github.com/containerd/containerd/v2/cmd/{name}"
        for name in ("containerd", "containerd-shim-runc-v2", "ctr")
    },
    stamps=("github.com/containerd/containerd/v2/version.Version={number}",),
    build_flags=("-tags", "no_btrfs"),
    cold_minutes=1.5,
)
HELM = Module(
    folder="helm",
    requires="helm.sh/helm/v3",
    packages={"helm": "helm.sh/helm/v3/cmd/helm"},
    stamps=("helm.sh/helm/v3/internal/version.version={version}",),
    cold_minutes=1.5,
)
CLUSTER = (KUBERNETES, CONTAINERD2, HELM)
"""The programs that the tests of the whole cluster run."""

ACTIONLINT = Module(
    folder="actionlint",
    requires="github.com/rhysd/actionlint",
    packages={"actionlint": "github.com/rhysd/actionlint/cmd/actionlint"},
    cold_minutes=0.5,
)
COSIGN = Module(
    folder="cosign",
    requires="github.com/sigstore/cosign/v3",
    packages={"cosign": "github.com/sigstore/cosign/v3/cmd/cosign"},
    stamps=("sigs.k8s.io/release-utils/version.gitVersion={version}",),
    cold_minutes=3,
)
SYFT = Module(
    folder="syft",
    requires="github.com/anchore/syft",
    packages={"syft": "github.com/anchore/syft/cmd/syft"},
    stamps=("main.version={number}",),
    cold_minutes=2.5,
)
MODULES = (*CLUSTER, ACTIONLINT, COSIGN, SYFT)

DEBIAN = {
    "busybox": "busybox-static",
    "chromium": "chromium",
    "containerd": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "ctr": "containerd",
    "docker-registry": "docker-registry",
    "etcd": "etcd-server",
    "gcc": "gcc",
    "ip": "iproute2",
    "mount": "mount",
    "nft": "nftables",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "runc": "runc",
    "setpriv": "util-linux",
    "shellcheck": "shellcheck",
    "umount": "mount",
    "unshare": "util-linux",
    "zstd": "zstd",
}
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def debian(program: str) -> Path:
    """Return the path of an installed program, or an error that names the Debian package."""
    found = shutil.which(program, path=SYSTEM_PATH)
    if not found:
        raise MissingProgram(f"{program} is not installed: apt-get install {DEBIAN[program]}")
    return Path(found)


def cni_folder() -> Path:
    """Return the folder of the network plugins, or an error that names the Debian package."""
    for folder in map(Path, ("/usr/lib/cni", "/opt/cni/bin")):
        if (folder / "ptp").exists():
            return folder
    raise MissingProgram("the CNI plugins are not installed: apt-get install containernetworking-plugins")


def built(module: Module, program: str) -> Path:
    """Return the path of a program of this module, built now when the cache does not have it."""
    folder = cache_folder(module)
    path = folder / program
    if path.exists():
        return path
    with _locked(folder):
        if not path.exists():  # else: another process built it while we waited for the lock
            _build(module, program, path)
    return path


def kubernetes(program: str) -> Path:
    """Return the path of a Kubernetes program such as kube-apiserver or kubectl."""
    return built(KUBERNETES, program)


def containerd2(program: str) -> Path:
    """Return the path of a program of containerd 2.1."""
    return built(CONTAINERD2, program)


def helm() -> Path:
    """Return the path of helm 3."""
    return built(HELM, "helm")


def cache_folder(module: Module) -> Path:
    """Return the folder of this version's programs, outside the checkout."""
    name = module.folder.rstrip("0123456789")
    return cache_root() / f"{name}-{module.version}"


def cache_root() -> Path:
    """Return the folder of everything that is built once."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pulltrace"


def _build(module: Module, program: str, path: Path) -> None:
    go = shutil.which("go")
    if not go:
        raise MissingProgram(f"{path} is not there and cannot be built: install Go 1.26 or newer")
    print(
        f"building {program} {module.version} into {path.parent}"
        f" (all of {module.folder}: about {module.cold_minutes:g} minutes the first time, on 2 cores)",
        file=sys.stderr,
        flush=True,
    )
    temporary = path.with_name(f".{program}.{os.getpid()}")
    command = [go, "build", "-trimpath", *module.build_flags, "-ldflags", module.ldflags, "-o", str(temporary)]
    started = time.monotonic()
    try:
        result = subprocess.run(
            [*command, module.packages[program]],
            cwd=FOLDER / module.folder,
            env={**os.environ, "CGO_ENABLED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if result.returncode:
            raise MissingProgram(f"building {program} failed:\n{result.stdout[-4000:]}")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    print(f"built {program} in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prepare(names: Collection[str] = ()) -> list[Path]:
    """Build the named programs, or all of them, unless the cache has them."""
    known = [(module, program) for module in MODULES for program in module.packages]
    if unknown := set(names) - {program for _, program in known}:
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(p for _, p in known)}")
    return [built(module, program) for module, program in known if not names or program in names]


def main(names: list[str]) -> None:
    """Build the named programs, or all of them, and print their paths."""
    for path in prepare(names):
        print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
