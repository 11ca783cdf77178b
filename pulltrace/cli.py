"""The `pulltrace` command: read the settings of a program and run it until SIGTERM or SIGINT.

Each program is imported when it runs: the agent must never load the server's packages.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from pulltrace import __version__
from pulltrace.errors import UserError
from pulltrace.logs import set_up_logging
from pulltrace.settings.flags import AgentSettings, AggregatorSettings, DemoSettings, StandaloneSettings
from pulltrace.settings.parser import purpose, read

DEFAULT_NAMESPACE = "pulltrace"
BAD_USAGE = 2

logger = logging.getLogger("pulltrace")

Program = Callable[[asyncio.Event], Awaitable[None]]
"""Runs until the event is set."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a program; return the exit status."""
    program, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if program in ("", "-h", "--help", "help"):
        print(usage())
        return 0 if program else BAD_USAGE
    if program in ("-V", "--version"):
        print(f"pulltrace {__version__}")
        return 0
    if program not in PROGRAMS:
        print(f"pulltrace: unknown command {program!r}; choose {', '.join(PROGRAMS)}", file=sys.stderr)
        return BAD_USAGE
    try:
        run = prepare(program, rest)
    except UserError as error:
        print(f"pulltrace {program}: {error}", file=sys.stderr)
        return BAD_USAGE
    return asyncio.run(_until_signal(program, run))


def usage() -> str:
    """Return the help of the command itself."""
    programs = "\n".join(f"  {name:<12} {purpose(kind).rstrip('.')}" for name, (kind, _) in PROGRAMS.items())
    return (
        "usage: pulltrace PROGRAM [--help] [FLAGS]\n\n"
        "Shows which container images are being pulled, how far, and which pods wait for them.\n\n"
        f"programs:\n{programs}"
    )


def prepare(program: str, arguments: Sequence[str]) -> Program:
    """Read a program's settings and set up its log. Raises `SettingsError`."""
    kind, run = PROGRAMS[program]
    settings = read(kind, arguments, os.environ, f"pulltrace {program}")
    set_up_logging(settings.log_level)
    return partial(run, settings)


async def _until_signal(program: str, run: Program) -> int:
    """Run a program until SIGTERM or SIGINT. An error that the user can fix ends the process with one line."""
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
            raise  # a module of Pulltrace itself is a bug
        status = 1
        print(f"pulltrace {program}: {missing.name} is not installed; install `pulltrace[all]`", file=sys.stderr)
    return status


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


async def _agent(settings: AgentSettings, stop: asyncio.Event) -> None:
    from pulltrace.agent import run
    from pulltrace.kube.client.h11_client import H11Client
    from pulltrace.kube.client.load_config import load_config
    from pulltrace.kube.resources.leases import KubeLeaseStore

    async with H11Client(await load_config(settings.kubeconfig or None)) as client:
        namespace = settings.namespace or await client.namespace() or DEFAULT_NAMESPACE
        logger.info("watching %s; node %s, namespace %s", settings.containerd_socket, settings.node_name, namespace)
        await _until_stop(run.run(settings, KubeLeaseStore(client, namespace), _identity()), stop)


async def _aggregator(settings: AggregatorSettings, stop: asyncio.Event) -> None:
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

    async with await connect(settings.kubeconfig or None) as client:
        namespace = settings.namespace or await client.namespace() or DEFAULT_NAMESPACE
        run.require_own_namespace(namespace, per_node_policy=settings.per_node_policy)
        leases = Reflector(client, lease_list_watch(namespace))
        pods = reflect_namespaces(client, PENDING_PODS, settings.watch_namespaces)
        events = reflect_namespaces(client, KUBELET_EVENTS, settings.watch_namespaces)
        lister = PodLister(client, settings.watch_namespaces)
        await run.run(
            settings, leases, pods, stop,
            elector=LeaderElector(client, namespace, report_interval.LEASE, _identity()),
            events=events, find_pod=lister.find, finder=lister, event_writer=EventRecorder(client, _identity()),
            watches=(leases.health, *pods.healths, *events.healths),
        )  # fmt: skip


async def _standalone(settings: StandaloneSettings, stop: asyncio.Event) -> None:
    from pulltrace.agent import run as agent_run
    from pulltrace.aggregator import run as aggregator_run
    from pulltrace.kube.resources.in_memory import MemoryLeaseStore

    store = MemoryLeaseStore()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_until_stop(agent_run.run(settings, store, "standalone"), stop))
        tasks.create_task(aggregator_run.run(settings, store, None, stop))


async def _demo(settings: DemoSettings, stop: asyncio.Event) -> None:
    from pulltrace.demo import run

    await run.run(settings, stop)


PROGRAMS: dict[str, tuple[type[Any], Callable[[Any, asyncio.Event], Awaitable[None]]]] = {
    "agent": (AgentSettings, _agent),
    "aggregator": (AggregatorSettings, _aggregator),
    "standalone": (StandaloneSettings, _standalone),
    "demo": (DemoSettings, _demo),
}
"""The settings and the main coroutine of each program."""


def _identity() -> str:
    """Return a name that is unique at any time: the pod's, or one of this process."""
    return os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}"


async def _until_stop(work: Awaitable[None], stop: asyncio.Event) -> None:
    """Await `work` and cancel it once `stop` is set; raises what it raises."""
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


if __name__ == "__main__":
    sys.exit(main())
