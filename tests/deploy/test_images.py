"""The images: small, without what they do not need, and they run."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

import pulltrace
from tests.cluster.containerd import Containerd
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import Process, accepts, free_port, wait_until
from tests.cluster.registry import Registry
from tests.deploy import images
from tests.deploy.images import Image
from tests.deploy.manifests import agent_pod, aggregator_pod, rendered, the

pytestmark = pytest.mark.real("docker-registry", "etcd", "openssl", "unshare")

MOST_BYTES = 60_000_000
NOT_IN_THE_AGENT = ("falcon", "uvicorn", "kubernetes", "prometheus_client", "pulltrace/server", "pulltrace/aggregator")
NO_TOOLS = ("sh", "bash", "dash", "apt", "dpkg", "pip", "pip3", "gcc", "cc", "perl", "busybox", "curl", "su", "mount")


@pytest.fixture(scope="module")
def built() -> dict[str, Image]:
    """Both images."""
    return images.build()


@pytest.fixture(scope="module", params=images.PROGRAMS)
def image(request: pytest.FixtureRequest, built: dict[str, Image]) -> Image:
    """One of the images."""
    return built[request.param]


@pytest.fixture(scope="module")
def roots(built: dict[str, Image], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the root file system of each."""
    found = {}
    for program, image in built.items():
        found[program] = tmp_path_factory.mktemp(program)
        image.unpack(found[program])
        found[program].chmod(0o755)
    return found


@pytest.fixture(params=images.PROGRAMS)
def root(request: pytest.FixtureRequest, roots: dict[str, Path]) -> Path:
    """Return the root file system of one of the images."""
    return roots[request.param]


def inside(root: Path, image: Image, *arguments: str, variables: Mapping[str, str] | None = None) -> list[str]:
    """Run a command as the image's pod would: its entry point, its user, without capabilities."""
    config = image.config["config"]
    environment = [*config["Env"], *(f"{name}={value}" for name, value in (variables or {}).items())]
    user, _, group = config["User"].partition(":")
    # A change of root and user needs these three; they give no access to files or sockets of other users.
    left = "-all,+sys_chroot,+setuid,+setgid"
    confined = ["/usr/bin/setpriv", "--bounding-set", left, "--inh-caps=-all", "--no-new-privs"]
    changed = ["/usr/bin/unshare", "--root", str(root), "--setgid", group, "--setuid", user]
    return ["env", "-i", *environment, *confined, *changed, *config["Entrypoint"], *arguments]


def test_small(image: Image) -> None:
    """A node downloads less than 60 MB."""
    assert image.size < MOST_BYTES


def test_nothing_to_work_with_is_in_it(root: Path) -> None:
    """There is no shell, no package manager and no compiler."""
    programs = {
        path.name
        for folder in ("usr/bin", "usr/sbin", "usr/local/bin", "site/bin")
        for path in (root / folder).glob("*")
    }

    assert not programs & set(NO_TOOLS)
    assert all(name.startswith("python3") for name in programs), programs


def test_no_file_gives_rights(root: Path) -> None:
    """No file is setuid or setgid, and only /tmp is writable for everybody."""
    for path in root.rglob("*"):
        mode = path.lstat().st_mode
        assert not (stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)), path
        assert stat.S_ISLNK(mode) or not mode & stat.S_IWOTH or path == root / "tmp", path


def test_no_file_has_capabilities(image: Image) -> None:
    """Nor does a file bring capabilities: extended attributes are in the layers, if anywhere."""
    for layer in image.manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(image.blob(layer["digest"]))) as files:
            assert [one.name for one in files if any("xattr" in name.lower() for name in one.pax_headers)] == []


def test_every_file_may_be_read(root: Path) -> None:
    """An ordinary user can read whatever the programs need."""
    unreadable = [path for path in (root / "site").rglob("*") if not path.lstat().st_mode & stat.S_IROTH]
    assert unreadable == []


def test_agent_has_nothing_of_the_server(roots: dict[str, Path]) -> None:
    """In the agent's image are neither the server's packages nor the web UI."""
    assert [name for name in NOT_IN_THE_AGENT if (roots["agent"] / "site" / name).exists()] == []
    assert not list(roots["agent"].rglob("index.html"))


def test_aggregator_has_the_web_ui(roots: dict[str, Path]) -> None:
    """The aggregator's image has the built web UI, and no gRPC."""
    site = roots["aggregator"] / "site"

    assert (site / "pulltrace/server/static/index.html").exists()
    assert not (site / "grpc").exists()


def test_users(built: dict[str, Image]) -> None:
    """The aggregator is an ordinary user by number, so that `runAsNonRoot` can be checked; the agent is root."""
    assert built["aggregator"].config["config"]["User"] == "65532:65532"
    assert built["agent"].config["config"]["User"] == "0:0"


def test_scanners_see_what_is_in_it(root: Path) -> None:
    """Vulnerability scanners find the packages of Debian and of Python."""
    listed = {path.name for path in (root / "var/lib/dpkg/status.d").iterdir()}

    assert {"libc6", "libssl3", "ca-certificates", "python3.11-minimal"} <= listed
    assert list((root / "site").glob("orjson-*.dist-info/METADATA"))


def test_packages_of_others_are_bytecode_and_ours_has_its_source(root: Path) -> None:
    """Others' packages come as bytecode alone; the source of ours is there for stack traces."""
    sources = {path.relative_to(root).parts[:2] for path in root.rglob("*.py")}

    assert sources == {("site", "pulltrace")}
    assert list((root / "site/pulltrace/__pycache__").glob("cli.*.pyc"))


@pytest.mark.parametrize("program", images.PROGRAMS)
def test_help(program: str, built: dict[str, Image], roots: dict[str, Path]) -> None:
    """The entry point is the program, and takes its flags."""
    result = subprocess.run(
        inside(roots[program], built[program], "--help"), capture_output=True, text=True, timeout=60, check=True
    ).stdout

    assert result.startswith(f"usage: pulltrace {program} ")


def test_outside_a_cluster_it_ends_with_one_line(built: dict[str, Image], roots: dict[str, Path]) -> None:
    """Without a cluster, the aggregator ends with one line."""
    command = inside(roots["aggregator"], built["aggregator"])
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert result.returncode
    assert result.stderr.startswith("pulltrace aggregator: ")
    assert len(result.stderr.splitlines()) == 1


def test_second_build_is_taken_from_the_cache(built: dict[str, Image]) -> None:
    """As long as no source changes, nothing is built again."""
    inodes = {image.archive: image.archive.stat().st_ino for image in built.values()}

    for image in images.build().values():
        assert inodes.get(image.archive, image.archive.stat().st_ino) == image.archive.stat().st_ino


def test_push(built: dict[str, Image]) -> None:
    """A registry takes an image, and gives it back under its tag."""
    with Registry() as registry:
        digest = built["agent"].push(registry.url)
        again = built["agent"].push(registry.url, tag="again")
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        request = urllib.request.Request(
            f"{registry.url}/v2/pulltrace-agent/manifests/{pulltrace.__version__}", headers=accept
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.headers["Docker-Content-Digest"] == digest == again


START_SPREAD = "2s"

# -- Both at work ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlane]:
    """Run an API server with the plain install, and a node with the pods of both programs."""
    with ControlPlane() as cluster:
        cluster.create_service_account("pulltrace", "default")
        cluster.admin.create("/api/v1/nodes", {"metadata": {"name": "node-1"}})
        found = rendered()
        cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(list(found.values())))
        for name, pod in (("agent", agent_pod(found)), ("aggregator", aggregator_pod(found))):
            body = {"metadata": {"name": name}, "spec": pod | {"nodeName": "node-1"}}
            cluster.admin.create("/api/v1/namespaces/pulltrace/pods", body)
        yield cluster


@pytest.fixture(scope="module")
def containerd(roots: dict[str, Path]) -> Iterator[Containerd]:
    """Run a containerd whose folder the agent sees as the chart shows it: /host…"""
    with Containerd("2.1", roots["agent"] / "host/c") as containerd:
        yield containerd


@pytest.fixture
def running(
    built: dict[str, Image], roots: dict[str, Path], cluster: ControlPlane, containerd: Containerd, tmp_path: Path
) -> Iterator[tuple[str, str]]:
    """Both programs, as their pods would run them: the addresses of the aggregator's HTTP and metrics."""
    http, metrics = free_port(), free_port()
    variables = {
        "agent": {
            "PULLTRACE_NODE_NAME": "node-1",
            "PULLTRACE_CONTAINERD_SOCKET": "/host/c/state/containerd.sock",
            "PULLTRACE_START_SPREAD": START_SPREAD,
        },
        "aggregator": {
            "PULLTRACE_HTTP_ADDR": f"127.0.0.1:{http}",
            "PULLTRACE_METRICS_ADDR": f"127.0.0.1:{metrics}",
        },
    }
    processes = []
    for program, root in roots.items():
        for minor, name in ((3, "null"), (9, "urandom")):  # as every container has them
            os.mknod(root / "dev" / name, stat.S_IFCHR | 0o666, os.makedev(1, minor))
        secrets = root / "var/run/secrets/kubernetes.io/serviceaccount"
        secrets.mkdir(parents=True)
        (secrets / "token").write_text(cluster.token("pulltrace", f"pulltrace-{program}", pod=program))
        (secrets / "ca.crt").write_bytes(cluster.authority.certificate.read_bytes())
        (secrets / "namespace").write_text("pulltrace")
        more = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(cluster.port)}
        command = inside(root, built[program], variables=variables[program] | more | {"POD_NAME": program})
        processes.append(Process(command, tmp_path / f"{program}.log"))
        processes[-1].start()
    wait_until(lambda: accepts("127.0.0.1", http), "the aggregator", processes=processes)
    yield f"http://127.0.0.1:{http}", f"http://127.0.0.1:{metrics}/metrics"
    for process in processes:
        process.kill()


def test_both_work_as_they_are_packed(running: tuple[str, str], cluster: ControlPlane, roots: dict[str, Path]) -> None:
    """With the chart's rights, the agent's image writes its Lease, the aggregator's reads it, and `helm test` is content."""
    script = the(rendered(), "Pod")["spec"]["containers"][0]["args"][0]
    environment = {"PULLTRACE": running[0], "METRICS": running[1], "START_SPREAD": START_SPREAD}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    lease = cluster.admin.get("/apis/coordination.k8s.io/v1/namespaces/pulltrace/leases/node-1")

    assert result.returncode == 0, result.stderr
    assert lease["metadata"]["annotations"]["pulltrace.io/summary"] == "idle"
    assert lease["metadata"]["ownerReferences"][0]["kind"] == "Node"
    assert lease["spec"]["holderIdentity"] == "agent"
