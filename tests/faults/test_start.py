"""D10 with real processes: when agents that start together first write to a real API server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from tests.cluster.processes import Process, wait_until
from tests.fakes import containerd
from tests.faults.link import Link
from tests.faults.stage import NAMESPACE, Stage
from tests.real.programs import agent, in_pod

pytestmark = pytest.mark.real("etcd", "openssl")

AGENTS = 20
PULLING = 0
"""The number of the agent whose node pulls."""
SPREAD_SECONDS = 6
AT_ONCE_SECONDS = 2
LATE_SECONDS = 3
"""Twenty agents share the processors of the machine."""


def name_of(number: int) -> str:
    return f"start-{number}"


def started_at(process: Process) -> float:
    """When the agent began to watch containerd, in Unix seconds: its first log line."""
    line = json.loads(process.log.read_text().splitlines()[0])
    assert line["message"].startswith("watching "), line
    return datetime.fromisoformat(line["time"]).timestamp()


def first_writes(link: Link) -> dict[int, float]:
    """When each agent first wrote, in Unix seconds. An agent tries to patch before it creates."""
    offset, found = time.time() - time.monotonic(), dict[int, float]()
    for one in link.requests("PATCH"):
        if match := re.search(r"/leases/start-(\d+)", one.path):
            found.setdefault(int(match[1]), one.at + offset)
    return found


async def test_d10_agent_processes_start_together(stage: Stage, tmp_path: Path) -> None:
    """First writes of idle agents spread over the whole time; an agent with a pull to report writes at once."""
    for number in range(AGENTS):
        stage.admin.create("/api/v1/nodes", {"metadata": {"name": name_of(number)}})
    with stage.link() as link, contextlib.ExitStack() as stack:
        async with containerd.running() as idle, containerd.running() as pulling:
            pulling.pull(containerd.image()).resolve()
            processes = []
            for number in range(AGENTS):
                (folder := tmp_path / name_of(number)).mkdir()
                token = stage.control_plane.token(NAMESPACE, "pulltrace-agent", node=name_of(number))
                identity = link.through(stage.control_plane.with_token(token))
                socket = pulling.socket if number == PULLING else idle.socket
                flags = (
                    *("--node-name", name_of(number), "--containerd-socket", socket),
                    *("--start-spread", f"{SPREAD_SECONDS}s"),
                )
                processes.append(agent(folder, in_pod(folder, identity, NAMESPACE), *flags))
            for process in processes:
                stack.enter_context(process)
            await asyncio.to_thread(
                wait_until, lambda: len(first_writes(link)) == AGENTS, "all writes", seconds=60, processes=processes
            )
        starts = [started_at(process) for process in processes]
        writes = first_writes(link)
    delays = [writes[number] - starts[number] for number in range(AGENTS)]
    idle_delays = sorted(delays[:PULLING] + delays[PULLING + 1 :])
    seconds = Counter(int(delay) for delay in idle_delays)
    print(
        f"\n{AGENTS} processes started within {max(starts) - min(starts):.1f} s; from its own start, an idle one wrote after "
        f"{idle_delays[0]:.1f} to {idle_delays[-1]:.1f} s, the one with a pull after {delays[PULLING]:.2f} s; "
        f"writes in each second: {[seconds[second] for second in range(SPREAD_SECONDS + LATE_SECONDS)]}"
    )

    assert delays[PULLING] <= AT_ONCE_SECONDS
    assert idle_delays[0] < SPREAD_SECONDS / 2 < idle_delays[-1]
    assert idle_delays[-1] <= SPREAD_SECONDS + LATE_SECONDS
    assert max(seconds.values()) <= AGENTS / 2
    assert {name_of(number) for number in range(AGENTS)} <= stage.leases().keys()
