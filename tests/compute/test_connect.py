"""``aml compute connect`` in a real shell."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jupyter_aml.commands.main import main
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import is_alive, needs_groups, until

pytestmark = needs_groups
CONNECT = [sys.executable, "-m", "jupyter_aml", "compute", "connect", "-n", "ci-ada"]


class Terminal:
    """A terminal with a command in it, and what that command has shown so far."""

    def __init__(self, controller: int, pid: int) -> None:
        self._controller = controller
        self.pid = pid
        self.shown = ""

    def type(self, line: str) -> None:
        os.write(self._controller, f"{line}\n".encode())

    def shows(self, text: str) -> bool:
        self.shown += os.read(self._controller, 65536).decode(errors="replace")
        return text in self.shown


@contextmanager
def terminal(environment: dict[str, str]) -> Iterator[Terminal]:
    controller, worker = pty.openpty()
    with subprocess.Popen(
        CONNECT, stdin=worker, stdout=worker, stderr=worker, env=environment, start_new_session=True
    ) as process:
        os.close(worker)
        try:
            yield Terminal(controller, process.pid)
        finally:
            process.kill()
            os.close(controller)


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])
def test_the_shell_is_on_the_instance_and_says_so(machines: Workspace, shell: str) -> None:
    instance = machines.compute.create_instance("ci-ada", cpus=0.5, memory="250MiB")
    with terminal({**os.environ, "SHELL": shell, "TERM": "xterm"}) as window:  # else a long prompt scrolls
        until(lambda: window.shows("(ci-ada) "))
        window.type("echo $(basename $AML_WORKSPACE)-here")
        until(lambda: window.shows("default-here"))
        assert "ci-ada" in Path(f"/proc/{window.pid}/cgroup").read_text()
        instance.stop()
        until(lambda: not is_alive(window.pid))


def test_commands_may_be_piped_in(machines: Workspace) -> None:
    machines.compute.create_instance("ci-ada", cpus=0.5, memory="250MiB")
    commands = "cat /proc/self/cgroup; exit 7"
    ran = subprocess.run(CONNECT, input=commands, capture_output=True, text=True, check=False)
    assert ran.returncode == 7
    assert "ci-ada" in ran.stdout


def test_what_is_not_on_is_not_entered(machines: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    machines.compute.create_instance("ci-ada", cpus=0.5, memory="250MiB").stop()
    machines.compute.create_cluster("cpu-cluster", cpus=0.5, memory="250MiB")
    for name, why in (
        ("ci-ada", "ci-ada is stopped"),
        ("cpu-cluster", "only an instance takes kernels and terminals"),
        ("ci-bob", "There is no compute 'ci-bob'"),
    ):
        assert main(["compute", "connect", "-n", name]) == 1
        assert why in capsys.readouterr().err
