"""The command: which program, with which exit status, and what it loads. Programs run as users run them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pulltrace import __version__, cli
from pulltrace.errors import UserError
from pulltrace.logs import JsonFormatter, PlainFormatter, set_up_logging

ROOT = Path(__file__).parents[1]
PROGRAMS = ("agent", "aggregator", "standalone", "demo")
AGENT_NEEDS = (
    "pulltrace.cli",
    "pulltrace.agent.run",
    "pulltrace.kube.client.h11_client",
    "pulltrace.kube.resources.leases",
)
NOT_FOR_THE_AGENT = (
    *("aiohttp", "kubernetes", "falcon", "uvicorn", "prometheus_client"),
    *("pulltrace.server", "pulltrace.aggregator", "pulltrace.demo"),
)


def pulltrace(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pulltrace.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_without_a_program_it_lists_the_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """The status shows that nothing ran."""
    assert cli.main([]) == 2
    text = capsys.readouterr().out
    assert all(f"  {program} " in text for program in PROGRAMS)


@pytest.mark.parametrize("flag", ["-h", "--help", "help"])
def test_help(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Asking for help is no mistake."""
    assert cli.main([flag]) == 0
    text = capsys.readouterr().out
    assert all(f"  {program} " in text for program in PROGRAMS)


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_version(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The version is the package's."""
    assert cli.main([flag]) == 0
    assert capsys.readouterr().out == f"pulltrace {__version__}\n"


def test_a_program_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the unknown command and the known ones."""
    assert cli.main(["serve"]) == 2
    assert capsys.readouterr().err == (
        "pulltrace: unknown command 'serve'; choose agent, aggregator, standalone, demo\n"
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_has_help(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` lists the flags, and ends well."""
    with pytest.raises(SystemExit) as exit_:
        cli.main([program, "--help"])

    assert exit_.value.code == 0
    assert f"usage: pulltrace {program}" in capsys.readouterr().out


def test_a_wrong_setting_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The program does not start; one line names the setting."""
    assert cli.main(["agent", "--log-level", "loud"]) == 2
    assert capsys.readouterr().err == (
        "pulltrace agent: --log-level: 'loud' is not allowed; it takes one of debug, info, warn, error\n"
    )


@pytest.mark.parametrize("program", ["agent", "aggregator"])
def test_a_cluster_that_cannot_be_found_is_one_line(program: str, tmp_path: Path) -> None:
    """Without a kubeconfig where one should be, the program ends with one line and not with a traceback."""
    ended = pulltrace(program, "--kubeconfig", str(tmp_path / "missing"), PULLTRACE_NODE_NAME="node-1")

    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith(f"pulltrace {program}: ")
    assert "missing" in ended.stderr


@pytest.mark.parametrize("program", ["standalone", "demo"])
def test_a_port_that_is_in_use_is_one_line(program: str) -> None:
    """An address that is in use ends the program with one line that names the flag."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = pulltrace(program, "--http-addr", address, "--metrics-addr", "127.0.0.1:0", "--log-level", "error")

    assert ended.returncode == 1
    assert ended.stderr == f"pulltrace {program}: --http-addr: cannot listen on '{address}': address already in use\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_program_well(number: signal.Signals) -> None:
    """A signal stops a program with status 0 and without a traceback."""
    arguments = ("standalone", "--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--node-name", "n")
    with subprocess.Popen(
        [sys.executable, "-m", "pulltrace.cli", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.send_signal(number)
        rest = process.stderr.read()

    assert json.loads(line)["message"].startswith("serving the web UI on http://127.0.0.1:")
    assert process.returncode == 0
    assert "Traceback" not in rest


def test_a_package_that_was_left_out_is_one_line() -> None:
    """The line names the missing package and the one to install."""
    without_grpc = "import sys; sys.modules['grpc'] = None; from pulltrace.cli import main; sys.exit(main(['demo']))"
    ended = subprocess.run(
        [sys.executable, "-c", without_grpc], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )

    assert (ended.returncode, ended.stderr.splitlines()[-1:]) == (
        1,
        ["pulltrace demo: grpc is not installed; install `pulltrace[all]`"],
    )


async def test_an_error_of_a_program_ends_it() -> None:
    """An error of the work is raised without a signal, too."""

    async def work() -> None:
        raise UserError("broken")

    with pytest.raises(UserError, match="broken"):
        await cli._until_stop(work(), asyncio.Event())


def test_the_agent_loads_nothing_of_the_server() -> None:
    """The agent runs on every node: packages of the aggregator are not in its memory."""
    code = (
        f"import sys, {', '.join(AGENT_NEEDS)}; print(*[name for name in {NOT_FOR_THE_AGENT} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert ended.stdout.split() == []


def test_a_log_line_is_one_json_object() -> None:
    """Foreign text in a message cannot forge a second line."""
    error = ValueError("bad")
    raised = (ValueError, error, error.__traceback__)
    record = logging.LogRecord("pulltrace.x", logging.WARNING, "", 1, "image %s", ("a\nb",), raised)
    text = JsonFormatter().format(record)
    line = json.loads(text)

    assert "\n" not in text
    assert (line["level"], line["logger"], line["message"]) == ("warning", "pulltrace.x", "image a\nb")
    assert "ValueError: bad" in line["exception"]


def test_a_line_on_a_terminal_stays_one_line() -> None:
    """Foreign text ends no line and moves no cursor there either; a stack trace keeps its lines."""
    record = logging.LogRecord("pulltrace.x", logging.WARNING, "", 1, "image %s", ("a\nb\x1b[2J",), None)

    assert (
        PlainFormatter()
        .format(record)
        .endswith("WARNING image a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[2J")
    )


def test_the_level_decides_what_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines below the level are dropped."""
    before, root = logging.getLogger().level, logging.getLogger()
    handlers = root.handlers[:]
    try:
        set_up_logging("warn")
        logging.getLogger("x").info("quiet")
        logging.getLogger("x").warning("loud")
    finally:
        root.handlers[:] = handlers
        root.setLevel(before)

    assert [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()] == ["loud"]
