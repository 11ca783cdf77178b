"""A containerd of its own for a test: 1.6 of Debian or 2.1 built from source, with the CRI plugin.

Its socket, root, state and configuration are below one folder, so that any number can run side by side
and beside the machine's own. No network plugin is needed to pull images. The registries are described
by hosts.toml files, which containerd reads again at every pull.

Layers are kept by overlayfs. Where that does not work, `start` fails with that reason; `snapshotter="native"`
is for such a machine, but it is another program path and never chosen silently.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.cluster import binaries, configs, mounts
from tests.cluster.processes import Process, run

Version = Literal["1.6", "2.1"]
VERSIONS: tuple[Version, ...] = ("1.6", "2.1")


@dataclass(frozen=True)
class Options:
    """How a containerd differs from containerd's defaults."""

    registries: Mapping[str, str] = field(default_factory=dict)
    """Host name as in image references, to the URL where that registry really is."""
    snapshotter: Literal["overlayfs", "native"] = "overlayfs"
    sandbox_image: str = "registry.test/pause:1"
    max_concurrent_downloads: int = 3
    discard_unpacked_layers: bool = False
    cni_bin: str = "/usr/lib/cni"
    enter: Sequence[str] = ()
    """How to run a program on the node that it belongs to (`Machine.enter`)."""
    inside: bool = False
    """Whether it runs on a `Machine`, where it uses the usual paths, /run/containerd and /var/lib/containerd."""
    stays: bool = False
    """Whether it outlives the Python that started it."""


class Containerd:
    """A containerd in a folder; `with Containerd("2.1") as containerd:` starts it and removes it all."""

    def __init__(self, version: Version = "2.1", folder: Path | None = None, options: Options | None = None) -> None:
        # NOTE: a unix socket's path has at most 107 bytes, so pytest's tmp_path may be too long.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="pulltrace-containerd-"))
        self.version: Version = version
        self.options = options or Options()
        self.root = self.folder / ("lib/containerd" if self.options.inside else "root")
        self.state = self.folder / ("run/containerd" if self.options.inside else "state")
        self.socket = self.state / "containerd.sock"
        self.ctr_program, program = self._programs()
        self._process = Process(
            [program, "--config", self.folder / "config.toml"],
            self.folder / "containerd.log",
            env={"PATH": f"{program.parent}:{binaries.SYSTEM_PATH}"},
            enter=self.options.enter,
            stays=self.options.stays,
        )
        self.log = self._process.log

    def start(self) -> None:
        """Write the configuration, start containerd and wait until its CRI plugin answers."""
        if len(str(self.socket)) > 100:
            raise ValueError(f"the path of the socket is too long for a unix socket: {self.socket}")
        mounts.make(self.folder)
        write = configs.containerd1 if self.version == "1.6" else configs.containerd2
        (self.folder / "config.toml").write_text(write(self), encoding="utf-8")
        for host, url in self.options.registries.items():
            self.use_registry(host, url)
        self._process.start()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until the plugins that tests need are loaded."""
        wanted = {"cri", self.options.snapshotter}

        def states() -> dict[str, str] | None:
            try:
                lines = self.ctr("plugins", "ls").splitlines()[1:]
            except RuntimeError as error:  # ctr's "connection refused"
                raise OSError(str(error)) from error
            found = {words[1]: words[-1] for words in map(str.split, lines) if words[1] in wanted}
            return found if wanted <= found.keys() else None

        for plugin, state in self._process.wait_until(states, f"containerd {self.version}").items():
            if state != "ok":
                raise RuntimeError(f"containerd {self.version}: plugin {plugin} is {state}\n{self._process.tail()}")

    def use_registry(self, host: str, url: str) -> None:
        """Send the pulls of images of this registry to a URL, from the next pull on."""
        folder = self.folder / "registries" / host
        folder.mkdir(parents=True, exist_ok=True)
        # NOTE: no entry below [host], so that a failed request is not tried again on a second host, but the
        # empty table must be there: without it 1.6 calls the file invalid and goes to the real host.
        (folder / "hosts.toml").write_text(f'server = "{url}"\n\n[host]\n', encoding="utf-8")

    def ctr(self, *args: str, namespace: str = "k8s.io") -> str:
        """Run containerd's own command line client and return what it prints."""
        return run([self.ctr_program, "--address", self.socket, "--namespace", namespace, *args], seconds=600)

    def images(self) -> set[str]:
        """Return the names of the image records."""
        return set(self.ctr("images", "ls", "-q").split())

    @property
    def pid(self) -> int:
        """The ID of the daemon's process."""
        return self._process.pid

    def stop(self) -> None:
        """End the daemon politely; running containers and all data stay."""
        self._process.stop()

    def kill(self) -> None:
        """End the daemon as a crash would."""
        self._process.kill()

    def restart(self) -> None:
        """Stop it and start it again on the same data; the socket is a new file."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Make it hang: it holds its socket and answers nothing."""
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after `freeze`."""
        self._process.signal(signal.SIGCONT)

    def remove(self) -> None:
        """Stop it, end its containers and shims, unmount and delete the folder."""
        self.thaw()
        self._process.stop()
        mounts.end_users_of(self.folder)
        mounts.remove(self.folder)

    def _programs(self) -> tuple[Path, Path]:
        if self.version == "1.6":
            return binaries.debian("ctr"), binaries.debian("containerd")
        binaries.containerd2("containerd-shim-runc-v2")
        return binaries.containerd2("ctr"), binaries.containerd2("containerd")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()
