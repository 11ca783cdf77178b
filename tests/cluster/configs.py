"""The configuration files of containerd, in the two formats that its versions want."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cluster.containerd import Containerd

HEAD = """\
version = {version}
root = "{root}"
state = "{state}"
disabled_plugins = [{disabled}]

[grpc]
  address = "{state}/containerd.sock"

[debug]
  level = "info"

[plugins."io.containerd.internal.v1.opt"]
  path = "{containerd.folder}/opt"
"""

# restrict_oom_score_adj: a container may not ask for a lower score than ours; without CAP_SYS_RESOURCE
# (this test may itself run in a container) every sandbox would fail.
CRI_1 = """
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{options.sandbox_image}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  max_concurrent_downloads = {options.max_concurrent_downloads}
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{options.snapshotter}"
    discard_unpacked_layers = {discard}
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{state}/runc"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{options.cni_bin}"
    conf_dir = "{containerd.folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{containerd.folder}/registries"
"""

# NOTE: 2.1 pulls by its transfer service, which has its own settings. It goes back to the older way of pulling
# when discard_unpacked_layers is set, or when the CRI's max_concurrent_downloads is not the default.
CRI_2 = """
[plugins."io.containerd.transfer.v1.local"]
  max_concurrent_downloads = {options.max_concurrent_downloads}

[plugins."io.containerd.nri.v1.nri"]
  disable = true

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "{options.snapshotter}"
  discard_unpacked_layers = {discard}
  max_concurrent_downloads = {cri_downloads}
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{options.sandbox_image}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{containerd.folder}/registries"

[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  cdi_spec_dirs = []
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      Root = "{state}/runc"
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{options.cni_bin}"]
    conf_dir = "{containerd.folder}/cni"
"""

NATIVE_UNPACKING = """
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "linux/amd64"
  snapshotter = "native"
"""


def containerd1(containerd: Containerd) -> str:
    """Return the configuration of containerd 1.6."""
    return _filled(HEAD + CRI_1, containerd, version=2, disabled="btrfs zfs")


def containerd2(containerd: Containerd) -> str:
    """Return the configuration of containerd 2.1."""
    template = HEAD + CRI_2 + (NATIVE_UNPACKING if containerd.options.snapshotter == "native" else "")
    return _filled(template, containerd, version=3, disabled="zfs")


def _filled(template: str, containerd: Containerd, *, version: int, disabled: str) -> str:
    options = containerd.options
    return template.format(
        version=version,
        disabled=", ".join(f'"io.containerd.snapshotter.v1.{name}"' for name in disabled.split()),
        containerd=containerd,
        options=options,
        root="/var/lib/containerd" if options.inside else containerd.root,
        state="/run/containerd" if options.inside else containerd.state,
        discard=str(options.discard_unpacked_layers).lower(),
        cri_downloads=options.max_concurrent_downloads if options.discard_unpacked_layers else 3,
    )
