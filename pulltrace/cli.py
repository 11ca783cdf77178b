"""The `pulltrace` command: picks the program, reads its settings, runs it until it is told to stop.

Each program is imported only when it is asked for: the agent must never load the server's packages.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pulltrace import __version__, settings
from pulltrace.errors import UserError
from pulltrace.logs import set_up_logging

USAGE = """\
usage: pulltrace PROGRAM [--help] [FLAGS]

Shows which container images are being pulled, how far, and which pods wait for them.

programs:
  agent        follow the containerd of this node and write its Lease (one on each node)
  aggregator   join the Leases of all nodes with the pods that wait, and serve UI, API and metrics
  standalone   both in one process, on a host with containerd and without Kubernetes
  demo         a simulated cluster, to see what Pulltrace shows
"""

DEFAULT_NAMESPACE = "pulltrace"
RESOLV_CONF = Path("/etc/resolv.conf")
BAD_USAGE = 2

if TYPE_CHECKING:
    from pulltrace.server.http.allowed_hosts import AllowedHosts

logger = logging.getLogger("pulltrace")

Program = Callable[[asyncio.Event], Awaitable[None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a program; gives the exit status."""
    program, *rest = [*(sys.argv[1:] if arguments is None else arguments), ""]
    rest = rest[:-1]
    if program in ("", "-h", "--help", "help"):
        print(USAGE, end="")
        return 0 if program else BAD_USAGE
    if program in ("-V", "--version"):
        print(f"pulltrace {__version__}")
        return 0
    if program not in _PROGRAMS:
        print(f"pulltrace: {program!r} is no program; there are {', '.join(_PROGRAMS)}", file=sys.stderr)
        return BAD_USAGE
    try:
        run = _PROGRAMS[program](rest)
    except UserError as error:
        print(f"pulltrace {program}: {error}", file=sys.stderr)
        return BAD_USAGE
    return asyncio.run(_until_signal(program, run))


async def _until_signal(program: str, run: Program) -> int:
    """Sets `stop` on SIGTERM and SIGINT; errors that a person can mend end the process with one line."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    status = 0
    try:
        await run(stop)
    except* UserError as group:
        status = 1
        print(f"pulltrace {program}: {_first(group)}", file=sys.stderr)
    except* ModuleNotFoundError as group:
        missing = _first(group)
        if not isinstance(missing, ModuleNotFoundError) or (missing.name or "pulltrace").startswith("pulltrace"):
            raise  # not a package that was left out, but a mistake of ours
        status = 1
        print(f"pulltrace {program}: {missing.name} is not installed; `pulltrace[all]` brings it", file=sys.stderr)
    return status


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _agent(arguments: Sequence[str]) -> Program:
    given = settings.read(settings.Agent, arguments, os.environ, "pulltrace agent")
    set_up_logging(given.log_level)

    async def program(stop: asyncio.Event) -> None:
        from pulltrace.agent import run
        from pulltrace.kube.client.h11_client import H11Client
        from pulltrace.kube.client.load_config import load_config
        from pulltrace.kube.resources.leases import KubeLeaseStore

        async with H11Client(await load_config(given.kubeconfig or None)) as connection:
            namespace = given.namespace or await connection.namespace() or DEFAULT_NAMESPACE
            agent = run.AgentSettings(
                node_name=given.node_name,
                holder=_identity(),
                containerd_socket=given.containerd_socket,
                containerd_namespace=given.containerd_namespace,
                report_interval_seconds=given.report_interval,
            )
            logger.info("following %s; node %s, namespace %s", agent.containerd_socket, agent.node_name, namespace)
            await _until_stop(run.run(agent, KubeLeaseStore(connection, namespace)), stop)

    return program


def _aggregator(arguments: Sequence[str]) -> Program:
    given = settings.read(settings.Aggregator, arguments, os.environ, "pulltrace aggregator")
    set_up_logging(given.log_level)

    async def program(stop: asyncio.Event) -> None:
        from pulltrace.aggregator import run
        from pulltrace.kube.client.aiohttp_client import connect
        from pulltrace.kube.election.leader_elector import LeaderElector
        from pulltrace.kube.resources.event_recorder import EventRecorder
        from pulltrace.kube.resources.kubelet_events import KUBELET_EVENTS
        from pulltrace.kube.resources.leases import lease_list_watch
        from pulltrace.kube.resources.pending_pods import PENDING_PODS
        from pulltrace.kube.resources.pod_lister import PodLister
        from pulltrace.kube.watch.multi_namespace import reflect_namespaces
        from pulltrace.kube.watch.reflector import Reflector
        from pulltrace.pulls import report_interval
        from pulltrace.server.http.connection_limiter import ConnectionLimits

        async with await connect(given.kubeconfig or None) as connection:
            namespace = given.namespace or await connection.namespace() or DEFAULT_NAMESPACE
            run.require_own_namespace(namespace, per_node_policy=given.per_node_policy)
            aggregator = run.AggregatorSettings(
                given.http_addr,
                given.metrics_addr,
                given.history_ttl,
                given.write_budget,
                given.event_budget,
                streams=ConnectionLimits(given.max_streams, given.max_streams_per_address),
                trusted_proxies=given.trusted_proxies,
                hosts=_hosts(given.allowed_hosts),
                per_node_policy=given.per_node_policy,
            )
            leases = Reflector(connection, lease_list_watch(namespace))
            pods = reflect_namespaces(connection, PENDING_PODS, given.watch_namespaces)
            elector = LeaderElector(connection, namespace, report_interval.LEASE, _identity())
            events = reflect_namespaces(connection, KUBELET_EVENTS, given.watch_namespaces)
            lookup = PodLister(connection, given.watch_namespaces)
            writer = EventRecorder(connection, _identity()) if given.kubernetes_events else None
            await run.run(
                aggregator, leases, pods, stop, _say_where(given.http_addr), elector,
                events=events, find_pod=lookup.find, finder=lookup, event_writer=writer,
                watches=(leases.health, *pods.healths, *events.healths),
            )  # fmt: skip

    return program


def _standalone(arguments: Sequence[str]) -> Program:
    given = settings.read(settings.Standalone, arguments, os.environ, "pulltrace standalone")
    set_up_logging(given.log_level)

    async def program(stop: asyncio.Event) -> None:
        from pulltrace.agent import run as agent_run
        from pulltrace.aggregator import run as aggregator_run
        from pulltrace.kube.resources.in_memory import MemoryLeaseStore

        store = MemoryLeaseStore()
        agent = agent_run.AgentSettings(
            node_name=given.node_name,
            holder="standalone",
            containerd_socket=given.containerd_socket,
            containerd_namespace=given.containerd_namespace,
            report_interval_seconds=given.report_interval,
        )
        aggregator = aggregator_run.AggregatorSettings(
            given.http_addr, given.metrics_addr, given.history_ttl, hosts=_hosts(given.allowed_hosts)
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_until_stop(agent_run.run(agent, store), stop))
            tasks.create_task(aggregator_run.run(aggregator, store, None, stop, _say_where(given.http_addr)))

    return program


def _demo(arguments: Sequence[str]) -> Program:
    given = settings.read(settings.Demo, arguments, os.environ, "pulltrace demo")
    set_up_logging(given.log_level)

    async def program(stop: asyncio.Event) -> None:
        from pulltrace.aggregator.run import AggregatorSettings
        from pulltrace.demo import run as demo_run

        aggregator = AggregatorSettings(
            given.http_addr, given.metrics_addr, demo_run.HISTORY_SECONDS, hosts=_hosts(given.allowed_hosts)
        )
        await demo_run.run(aggregator, stop, _say_where(given.http_addr))

    return program


def _hosts(listed: Sequence[str]) -> AllowedHosts:
    """The listed names and those that this machine or pod has anyway."""
    from pulltrace.server.http.allowed_hosts import allowed_hosts

    try:
        resolv_conf = RESOLV_CONF.read_text(errors="replace")
    except OSError:
        resolv_conf = ""
    return allowed_hosts(listed, machine=socket.gethostname(), resolv_conf=resolv_conf)


def _identity() -> str:
    """A name that no other process has at the same time: the pod's, or one of this process."""
    return os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}"


async def _until_stop(work: Awaitable[None], stop: asyncio.Event) -> None:
    """Runs `work` until `stop` is set, then cancels it; what it raises comes through."""
    task = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
    finally:
        stopping.cancel()
        task.cancel()
        await asyncio.gather(task, stopping, return_exceptions=True)


def _say_where(http_addr: str) -> Callable[[int], None]:
    host = http_addr.rpartition(":")[0]
    if not host:
        return lambda port: logger.info("Pulltrace is on port %d of this machine", port)
    return lambda port: logger.info("Pulltrace is on http://%s:%d", host, port)


_PROGRAMS = {"agent": _agent, "aggregator": _aggregator, "standalone": _standalone, "demo": _demo}

if __name__ == "__main__":
    sys.exit(main())
