"""What is killed on the way to another machine and back, and what comes of the run: nothing is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.client import launch
from jupyter_aml.compute.compute import AttachedCompute
from jupyter_aml.jobs.model import Job
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import until
from tests.compute.ssh.conftest import SSHD, Host, attach, clean_up, processes_below
from tests.faults.kit import holder

STEPS = """
import os, time
from pathlib import Path
from jupyter_aml import Run
run, go = Run.get_context(), Path(os.environ["GO"])
with open(os.environ["STARTS"], "a") as file: file.write("x")
for step in range(1000):
    run.log("x", step, step)
    print("step", step, flush=True)
    if go.exists(): break
    time.sleep(0.02)
Path("outputs/last").write_text(str(step))
"""


class Steps:
    """A job that counts until it is told to end, and says so in its log, its metrics and a file."""

    def __init__(self, folder: Path) -> None:
        self.code = folder / "steps"
        self.code.mkdir()
        (self.code / "steps.py").write_text(STEPS)
        self.go, self.starts = folder / "go", folder / "starts"

    def job(self) -> Job:
        variables = {"GO": str(self.go), "STARTS": str(self.starts)}
        return command("python steps.py", code=self.code, environment_variables=variables)

    def is_whole(self, run: Run) -> None:
        """It ran once, and everything it said is here once."""
        self.go.touch()
        until(lambda: run.is_final, 40)
        assert run.status == "Completed", run.error
        last = int(run.read_file("outputs/last"))
        assert run.logs() == "".join(f"step {step}\n" for step in range(last + 1))
        assert run.metric_history("x")["values"] == [float(step) for step in range(last + 1)]
        assert self.starts.read_text() == "x" and run.get_details()["attempt"] == 1


@pytest.fixture
def steps(tmp_path: Path) -> Steps:
    return Steps(tmp_path)


def courier_pid(run: Run) -> int | None:
    found = holder(run._folder().lock)
    return None if found == holder(run._client.location.folder.lock) else found


def kill_courier(run: Run) -> None:
    os.kill(int(until_some(lambda: courier_pid(run))), signal.SIGKILL)


def kill_service(run: Run) -> None:
    address = launch.read_address(run._client.location.folder)
    assert address is not None
    os.kill(address.pid, signal.SIGKILL)


def until_some(look: Callable[[], int | None]) -> int:
    found: list[int] = []

    def is_there() -> bool:
        found.extend(value for value in [look()] if value)
        return bool(found)

    until(is_there)
    return found[0]


def test_connection_courier_and_service_may_be_killed(
    workspace: Workspace, attached: AttachedCompute, host: Host, steps: Steps
) -> None:
    run = workspace.submit(steps.job(), compute="gpu-box")
    until(lambda: "step 5\n" in run.logs())
    host.cut()
    shown = len(run.logs())
    until(lambda: len(run.logs()) > shown + 50)
    kill_courier(run)
    shown = len(run.logs())
    until(lambda: len(run.logs()) > shown + 50)
    kill_service(run)
    kill_courier(run)
    shown = len(run.logs())  # starts the next service
    until(lambda: len(run.logs()) > shown + 50)
    assert run.status == "Running"
    steps.is_whole(run)


def test_a_machine_that_cannot_be_reached_is_waited_for(
    workspace: Workspace, attached: AttachedCompute, host: Host, steps: Steps
) -> None:
    first = workspace.submit(steps.job(), compute="gpu-box")
    second = workspace.submit(command("echo second"), compute="gpu-box")
    until(lambda: "step 5\n" in first.logs())
    host.stop()
    steps.go.touch()
    until(lambda: processes_below(host.aml) == [])  # it ended there, and nobody here knows
    until(lambda: "cannot be reached" in first.logs(stream="system_logs/ssh.txt"))
    assert (first.status, second.status) == ("Running", "Queued")
    host.start()
    steps.is_whole(first)
    second.wait_for_completion(show_output=False)
    assert second.logs() == "second\n"


@pytest.fixture
def far_host(tmp_path: Path) -> Iterator[tuple[Host, Callable[[str], None]]]:
    """A machine in a network of its own, and what sets its cable "up" or "down"."""
    if SSHD is None or os.getuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network namespace needs root, the ip command and sshd")
    name = f"aml{os.getpid()}"

    def ip(words: str) -> None:
        subprocess.run(["ip", *words.split()], check=True, capture_output=True)

    ip(f"netns add {name}")
    try:
        ip(f"link add {name} type veth peer name eth0 netns {name}")
        ip(f"address add 10.231.77.1/30 dev {name}")
        ip(f"link set {name} up")
        ip(f"-n {name} link set lo up")
        ip(f"-n {name} address add 10.231.77.2/30 dev eth0")
        ip(f"-n {name} link set eth0 up")
        (tmp_path / "far").mkdir()
        found = Host(tmp_path / "far", "10.231.77.2", ("ip", "netns", "exec", name))
        yield found, lambda state: ip(f"link set {name} {state}")
        clean_up(found)
    finally:
        ip(f"netns delete {name}")  # and the cable with it


def test_a_cut_cable_is_no_lost_run(
    workspace: Workspace, far_host: tuple[Host, Callable[[str], None]], steps: Steps
) -> None:
    host, cable = far_host
    attach(workspace, host)
    run = workspace.submit(steps.job(), compute="gpu-box")
    until(lambda: "step 5\n" in run.logs())
    cable("down")
    until(lambda: "cannot be reached" in run.logs("system_logs/ssh.txt"), 60)
    seen = run.logs()
    assert run.status == "Running"
    cable("up")
    until(lambda: run.logs() != seen, 60)  # what it said meanwhile
    steps.is_whole(run)


def test_a_run_that_never_got_there_can_be_canceled(
    workspace: Workspace, attached: AttachedCompute, host: Host
) -> None:
    host.stop()
    run = workspace.submit(command("echo hello"), compute="gpu-box")
    until(lambda: run.status == "Preparing")
    run.cancel()
    until(lambda: run.is_final, 10)
    assert run.status == "Canceled"
    host.start()


def test_a_runner_killed_there_fails_its_run_and_its_outputs_are_kept(
    workspace: Workspace, attached: AttachedCompute, host: Host
) -> None:
    run = workspace.submit(
        command("echo kept > outputs/kept; echo begun; (setsid sleep 1000 &); sleep 1000"), compute="gpu-box"
    )
    until(lambda: "begun" in run.logs())
    (lock,) = host.aml.glob("hosts/*/runs/*/lock")
    os.kill(until_some(lambda: holder(lock)), signal.SIGKILL)
    until(lambda: run.is_final)
    assert run.status == "Failed" and run.error is not None and run.error["reason"] == "runner_lost"
    assert run.read_file("outputs/kept") == b"kept\n"
    until(lambda: processes_below(host.aml) == [])


@pytest.mark.parametrize("site", ["brought", "sent", "started", "copied", "collected"])
def test_the_courier_may_die_at_any_step(
    home: Path, host: Host, steps: Steps, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, site: str
) -> None:
    monkeypatch.setenv("AML_TEST_MODE", "1")
    monkeypatch.setenv("AML_FAILPOINTS", f"courier.{site}=kill9!{tmp_path}/died")
    workspace = Workspace.default()
    with stopped(workspace):
        attach(workspace, host)
        steps.go.touch()
        run = workspace.submit(steps.job(), compute="gpu-box")
        until((tmp_path / "died").exists)
        steps.is_whole(run)


@contextlib.contextmanager
def stopped(workspace: Workspace) -> Iterator[None]:
    """Stop the workspace's service at the end."""
    from tests.conftest import stop_service

    try:
        yield
    finally:
        stop_service(workspace)


@pytest.mark.power
def test_a_full_disk_there_is_named(workspace: Workspace, attached: AttachedCompute, host: Host) -> None:
    if (
        os.getuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(host.aml)],
            check=False,
            capture_output=True,
        ).returncode
    ):
        pytest.skip("mounting a small disk needs root")
    try:
        code = host.folder / "code"
        code.mkdir()
        (code / "large").write_bytes(os.urandom(3_000_000))
        run = workspace.submit(command("true", code=code), compute="gpu-box")
        until(lambda: run.is_final)
        assert run.error is not None and run.error["message"] == "The disk of gpu-box is full."
    finally:
        subprocess.run(["umount", "--lazy", str(host.aml)], check=True)
