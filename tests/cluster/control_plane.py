"""etcd and kube-apiserver: a Kubernetes API without nodes, on a loopback address.

Authorisation (Node and RBAC) and admission (NodeRestriction, PodSecurity, ValidatingAdmissionPolicy, …)
are the real ones. There is no controller-manager, so no ServiceAccounts are made, no garbage is
collected and no namespaces are deleted; `cluster.Cluster` has one. etcd does not sync to disk, so a start takes
seconds.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster import binaries, mounts
from tests.cluster.api import JSON, ApiError, Identity
from tests.cluster.pki import Authority
from tests.cluster.processes import Process, free_port, run, wait_until

SERVICE_CIDR = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
ISSUER = "https://kubernetes.default.svc.cluster.local"
FRONT_PROXY = "front-proxy-client"
NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)


@dataclass(frozen=True)
class Options:
    """Where it listens, and how it differs from the defaults."""

    address: str = "127.0.0.1"
    port: int | None = None
    """The port of the API server (a free one when None)."""
    enter: Sequence[str] = ()
    """How to run a program on the machine of the control plane (`Machine.enter`)."""
    flags: Mapping[str, str] = field(default_factory=dict)
    """More flags for kube-apiserver, without the dashes."""
    stays: bool = False
    """Whether it outlives the Python that started it."""


class ControlPlane:
    """A Kubernetes API; `with ControlPlane() as control_plane:` starts it and removes it."""

    def __init__(self, folder: Path | None = None, options: Options | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="pulltrace-control-plane-"))
        self.options = options or Options()
        address = self.options.address
        self.port = self.options.port or free_port()
        self.url = f"https://{address}:{self.port}"
        self.authority = Authority(self.folder / "pki")
        self.kubeconfig = self.folder / "admin.kubeconfig"
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self.etcd = self._process(binaries.debian("etcd"), self._etcd_flags())
        self.apiserver = self._process(binaries.kubernetes("kube-apiserver"), self._apiserver_flags())
        self.admin: Identity
        """A member of system:masters, whom no rule stops (set by `start`)."""

    def start(self) -> None:
        """Make the keys, start both programs and wait until the API is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.authority.create()
        self.authority.service_account_keys()
        addresses = [f"DNS:{name}" for name in NAMES]
        addresses += [f"IP:{address}" for address in ("127.0.0.1", SERVICE_ADDRESS, self.options.address)]
        self.authority.issue("apiserver", "kube-apiserver", addresses=addresses)
        self.authority.issue("kubelet-client", "kube-apiserver-kubelet-client", groups=["pulltrace:kubelet-client"])
        self.authority.issue("front-proxy", FRONT_PROXY)
        self.admin = self.identity("admin", groups=["system:masters"])
        self.admin.write_kubeconfig(self.kubeconfig)
        self.etcd.start()
        self.apiserver.start()
        self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Wait until the API answers and the first namespaces exist, e.g. after a restart of a part."""

        def ready() -> bool:
            try:
                self.admin.get("/readyz")
                return bool(self.admin.get("/api/v1/namespaces/default"))
            except ApiError as error:
                raise OSError(str(error)) from error

        wait_until(ready, "the API server", seconds=seconds, processes=[self.etcd, self.apiserver])

    def identity(self, user: str, *, groups: Sequence[str] = ()) -> Identity:
        """Return a user with a certificate; what it may do is up to RBAC."""
        name = "-".join(["user", user, *groups]).replace(":", "-")
        certificate = self.authority.issue(name, user, groups=groups)
        return Identity(self.url, self.authority.certificate, certificate)

    def with_token(self, token: str) -> Identity:
        """Return the holder of a token."""
        return Identity(self.url, self.authority.certificate, token=token)

    def create_service_account(self, namespace: str, name: str) -> None:
        """Create a ServiceAccount, and its namespace, unless they exist."""
        core: JSON = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        account: JSON = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        for path, body in (("/api/v1/namespaces", core), (f"/api/v1/namespaces/{namespace}/serviceaccounts", account)):
            try:
                self.admin.create(path, body)
            except ApiError as error:
                if error.status != 409:
                    raise

    def token(self, namespace: str, service_account: str, *, pod: str = "", node: str = "", seconds: int = 3600) -> str:
        """Return a ServiceAccount token as the TokenRequest API gives it, bound to a pod (and its node) or to
        a node.
        """
        spec: JSON = {"expirationSeconds": seconds}
        if pod or node:
            kind, name = ("Pod", pod) if pod else ("Node", node)
            spec["boundObjectRef"] = {"apiVersion": "v1", "kind": kind, "name": name}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        answer = self.admin.create(
            path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        )
        return str(answer["status"]["token"])

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl as the administrator and return what it prints."""
        kubectl = binaries.kubernetes("kubectl")
        common = [f"--kubeconfig={self.kubeconfig}", f"--cache-dir={self.folder}/kubectl-cache"]
        return run([kubectl, *common, *args], stdin=stdin, seconds=120)

    def restart_apiserver(self) -> None:
        """Stop the API server as a node upgrade does, and start it again."""
        self.apiserver.stop()
        self.apiserver.start()
        self.wait_until_ready()

    def remove(self) -> None:
        """End both and delete the folder."""
        for process in (self.apiserver, self.etcd):
            process.signal(signal.SIGCONT)
            process.kill()
        mounts.remove(self.folder)

    def _process(self, program: Path, flags: Mapping[str, object]) -> Process:
        argv = [str(program), *(f"--{name}={value}" for name, value in flags.items())]
        log = self.folder / f"{program.name}.log"
        return Process(argv, log, enter=self.options.enter, stays=self.options.stays)

    def _etcd_flags(self) -> dict[str, object]:
        peer = f"http://127.0.0.1:{free_port()}"
        return {
            "data-dir": self.folder / "etcd",
            "listen-client-urls": self._etcd_url,
            "advertise-client-urls": self._etcd_url,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "unsafe-no-fsync": "true",
            "log-level": "warn",
        }

    def _apiserver_flags(self) -> dict[str, object]:
        pki = self.authority.folder
        return {
            "etcd-servers": self._etcd_url,
            "bind-address": self.options.address,
            "advertise-address": self.options.address,
            "secure-port": self.port,
            "service-cluster-ip-range": SERVICE_CIDR,
            "client-ca-file": self.authority.certificate,
            "tls-cert-file": pki / "apiserver.crt",
            "tls-private-key-file": pki / "apiserver.key",
            "kubelet-certificate-authority": self.authority.certificate,
            "kubelet-client-certificate": pki / "kubelet-client.crt",
            "kubelet-client-key": pki / "kubelet-client.key",
            "kubelet-preferred-address-types": "InternalIP",
            "requestheader-client-ca-file": self.authority.certificate,
            "requestheader-allowed-names": FRONT_PROXY,
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-username-headers": "X-Remote-User",
            "proxy-client-cert-file": pki / "front-proxy.crt",
            "proxy-client-key-file": pki / "front-proxy.key",
            "service-account-issuer": ISSUER,
            "service-account-key-file": pki / "service-accounts.pub",
            "service-account-signing-key-file": pki / "service-accounts.key",
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "allow-privileged": "true",
            "profiling": "false",
            **self._endpoints_flags(),
            **self.options.flags,
        }

    def _endpoints_flags(self) -> dict[str, object]:
        """Return flags for a loopback address, on which Kubernetes 1.37 ends rather than list an endpoint of
        `kubernetes`.
        """
        return {"endpoint-reconciler-type": "none"} if ip_address(self.options.address).is_loopback else {}

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
