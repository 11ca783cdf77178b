"""The nodes of the simulated cluster."""

from __future__ import annotations

from pulltrace.demo.node import Machine

MACHINES = (
    Machine("gpu-h100-01", 196, 310),
    Machine("gpu-a100-01", 92, 230),
    Machine("gpu-a100-02", 74, 210),
    Machine("gpu-a100-03", 112, 240),
    Machine("gpu-a100-04", 81, 220),
    Machine("gpu-l4-01", 64, 180, parallel_pulls=3),
    Machine("worker-01", 38, 110),
    Machine("worker-02", 46, 120),
    Machine("worker-03", 31, 95),
    Machine("worker-04", 52, 130),
    Machine("worker-05", 41, 110),
    Machine("edge-01", 20, 60),
)
FASTEST = "gpu-h100-01"
PARALLEL = "gpu-l4-01"
"""Its kubelet pulls several images at once."""
ACCELERATED = tuple(machine.name for machine in MACHINES if machine.name.startswith("gpu-"))
WORKERS = tuple(machine.name for machine in MACHINES if machine.name not in ACCELERATED)
TRAINERS = tuple(name for name in ACCELERATED if "-a100-" in name)
