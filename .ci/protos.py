"""Generate the Python code of the .proto files; with --check, only report the outdated ones."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("pulltrace/containerd/proto", "tests/cluster/proto")


def generate(into: Path) -> list[Path]:
    """Write the generated code below a folder; return the paths relative to it."""
    sources = sorted(str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).glob("*.proto"))
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={into}", f"--pyi_out={into}", *sources]
    subprocess.run(command, cwd=ROOT, check=True)
    return [Path(source).with_suffix("") for source in sources]


def main() -> None:
    check = "--check" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as temporary:
        stems = generate(Path(temporary))
        for name in (f"{stem}_pb2{suffix}" for stem in stems for suffix in (".py", ".pyi")):
            wanted = (Path(temporary) / name).read_bytes()
            current = ROOT / name
            if current.exists() and current.read_bytes() == wanted:
                continue
            if check:
                sys.exit(f"{name} is not what its .proto file gives: run `make proto`")
            current.write_bytes(wanted)
            print(f"written: {name}")


if __name__ == "__main__":
    main()
