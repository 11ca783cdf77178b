"""An image registry on this machine: Debian's docker-registry, without authentication, in a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster import binaries, mounts
from tests.cluster.processes import Process, accepts, free_port

CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}/data}}
  delete: {{enabled: true}}
http: {{addr: "{address}:{port}"}}
"""


class Registry:
    """A registry in a folder; `with Registry() as registry:` starts it and removes it."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        address: str = "127.0.0.1",
        port: int | None = None,
        enter: Sequence[str] = (),
        stays: bool = False,
    ) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="pulltrace-registry-"))
        self.address = address
        self.port = port or free_port(address)
        self.url = f"http://{address}:{self.port}"
        self._process = Process(
            [binaries.debian("docker-registry"), "serve", self.folder / "config.yml"],
            self.folder / "registry.log",
            env={"OTEL_TRACES_EXPORTER": "none"},
            enter=enter,
            stays=stays,
        )
        self.log = self._process.log

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = CONFIG.format(folder=self.folder, address=self.address, port=self.port)
        (self.folder / "config.yml").write_text(config, encoding="utf-8")
        self._process.start()
        self._process.wait_until(lambda: accepts(self.address, self.port), "the registry")

    @property
    def pid(self) -> int:
        """The ID of its process."""
        return self._process.pid

    def stop(self) -> None:
        """End it; what was pushed stays."""
        self._process.stop()

    def remove(self) -> None:
        """End it and delete the folder."""
        self.stop()
        mounts.remove(self.folder)

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
