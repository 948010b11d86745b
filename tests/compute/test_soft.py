"""Soft limits: where no control groups can be made, a slice still ends as a whole and has a limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from jupyter_aml import command
from jupyter_aml.client import launch
from jupyter_aml.compute.engines.local import cgroups, soft, watcher
from jupyter_aml.compute.engines.local.slice import Slice
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import is_alive, until
from tests.faults.kit import service_pid

MIB = 1024**2
# Python that touches the memory it takes, and lives for a while.
HOLD = "import sys, time; x = bytearray(int(sys.argv[1]) << 20); x[::4096] = bytes(len(x[::4096])); time.sleep(5)"
HIDE_GROUPS = 'mount -t tmpfs -o ro none /sys/fs/cgroup && exec "$@"'
# Leaves its session, loses its parent, and cleans its environment a moment later.
STRAY = "setsid sh -c '(sh -c \"echo \\$\\$ > {file}; sleep 0.5; exec env -i sleep 300\" & sleep 1) & exit 0' > /dev/null 2>&1"


@pytest.fixture
def place(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slice]:
    """A slice made as where there are no control groups."""
    monkeypatch.setattr(cgroups, "means", lambda: "soft")
    made = Slice.make(f"test-{uuid4().hex[:8]}", 1, 200 * MIB)
    yield made
    assert made.destroy()
    until(lambda: not watchers(made))


def watchers(place: Slice) -> list[int]:
    """The processes that watch the slice."""
    return [
        int(name)
        for name in os.listdir("/proc")
        if name.isdecimal() and place.folder.encode() in _words(name)
    ]


def _words(pid: str) -> list[bytes]:
    try:
        return Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def start(place: Slice, *program: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **place.environment()}
    return subprocess.Popen(place.wrapped(program), env=environment, text=True, stdout=subprocess.PIPE)


def test_all_of_it_ends_wherever_it_has_gone(place: Slice, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with start(place, "/bin/sh", "-c", STRAY.format(file=file)) as process:
        process.wait()
    until(lambda: file.exists() and file.read_text())
    stray = int(file.read_text())
    until(lambda: Path(f"/proc/{stray}/environ").read_bytes() == b"")
    assert is_alive(stray)
    assert place.destroy()
    assert not is_alive(stray) and not Path(place.folder).exists()


def test_a_fork_that_becomes_no_program_is_in_it_too(place: Slice) -> None:
    pid = os.fork()
    if pid == 0:
        os.setsid()
        place.enter()
        signal.pause()
    until(lambda: pid in [process.pid for process in watcher.belonging(Path(place.folder))])
    assert place.destroy()
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL


def test_the_largest_is_ended_when_all_together_take_too_much(place: Slice) -> None:
    with (
        start(place, sys.executable, "-c", HOLD, "60") as small,
        start(place, sys.executable, "-c", HOLD, "150") as large,
    ):
        assert large.wait() == -signal.SIGKILL
        assert small.poll() is None
        assert place.memory_kills() == 1 and place.peak_memory() > 200 * MIB
        small.kill()


def test_what_is_shared_counts_once(place: Slice) -> None:
    code = "import os, time\nx = bytearray(120 << 20)\nx[::4096] = b'1' * len(x[::4096])\nfor _ in range(3):\n  if os.fork() == 0: time.sleep(2); os._exit(0)\nprint([os.wait()[1] for _ in range(3)])"
    with start(place, sys.executable, "-c", code) as process:
        assert process.communicate()[0] == "[0, 0, 0]\n"
    assert place.memory_kills() == 0


def test_one_process_alone_is_refused_more(place: Slice) -> None:
    code = "try: bytearray(300 << 20)\nexcept MemoryError: print('refused')"
    with start(place, sys.executable, "-c", code) as process:
        assert process.communicate()[0] == "refused\n"


def test_a_fork_bomb_ends_with_all_it_made(place: Slice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soft, "MOST_PROCESSES", 30)
    Slice.make(place.name, 1, 200 * MIB)
    code = "import os, time\nwhile True:\n  os.fork()\n  time.sleep(0.1)"
    with start(place, sys.executable, "-c", code) as process:
        assert process.wait() == -signal.SIGKILL
    until(lambda: watcher.belonging(Path(place.folder)) == [])


def test_one_watcher_is_there_and_a_killed_one_is_replaced(place: Slice) -> None:
    for _ in range(3):
        Slice.make(place.name, 1, 200 * MIB)
    (first,) = watchers(place)
    os.kill(first, signal.SIGKILL)
    until(lambda: not is_alive(first))
    Slice.make(place.name, 1, 200 * MIB)
    (second,) = watchers(place)
    assert second != first


@pytest.fixture
def unprivileged(workspace: Workspace) -> Iterator[Workspace]:
    """A workspace whose service finds no control groups it could write."""
    root = workspace.path
    program = [
        "unshare",
        "-m",
        "sh",
        "-c",
        HIDE_GROUPS,
        "sh",
        sys.executable,
        "-P",
        "-m",
        "jupyter_aml.service",
    ]
    if os.geteuid() != 0:
        pytest.skip("hiding the control groups needs root")
    with subprocess.Popen([*program, str(root)], env=launch.kept_environment()) as process:
        until(lambda: launch.is_running(workspace.client.location.folder) or process.poll() is not None)
        if process.poll() is not None:
            pytest.skip("the control groups cannot be hidden on this machine")
        yield workspace
        for compute in workspace.compute.list():
            compute.delete(force=True)
        workspace.client.call("stop_service")


@pytest.mark.power
def test_an_instance_says_that_its_limits_are_soft_and_ends_whole(
    unprivileged: Workspace, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    instance = unprivileged.compute.create_instance(
        "ci-ada", cpus=1, memory="256MiB", setup_script=STRAY.format(file=file) + "; sleep 1"
    )
    assert any("only soft limits hold" in line for line in instance.get_status()["details"])
    stray = int(file.read_text())
    assert is_alive(stray)
    one = unprivileged.submit(command("python -c 'x = bytearray(900 << 20)'"), compute="ci-ada")
    hold = f"{sys.executable} -c '{HOLD}' 120"
    many = unprivileged.submit(command(f"{hold} & {hold} & {hold} & wait; sleep 60"), compute="ci-ada")
    one.wait_for_completion(show_output=False, raise_on_error=False)
    service = service_pid(unprivileged)
    assert service is not None
    os.kill(service, signal.SIGSTOP)  # the limit is not the service's to keep
    try:
        until(lambda: soft.memory_kills(next((Path(os.environ["AML_HOME"]) / "slices").iterdir())) > 0)
    finally:
        os.kill(service, signal.SIGCONT)
    many.cancel()
    many.wait_for_completion(show_output=False, raise_on_error=False)
    assert one.error is not None and one.error["reason"] == "oom"
    assert "limit is 256 MiB" in one.error["message"]
    until(lambda: any("was ended" in line for line in instance.get_status()["details"]))
    instance.stop()
    assert not is_alive(stray) and instance.state == "Stopped"
    instance.start()
    assert instance.state == "Running"


@pytest.mark.power
def test_a_node_s_job_is_told_the_limit_and_leaves_nothing(unprivileged: Workspace) -> None:
    unprivileged.compute.create_cluster(
        "cpu-cluster", cpus=0.5, memory="256MiB", idle_seconds_before_scaledown=0
    )
    hold = f"{sys.executable} -c '{HOLD}' 150"
    run = unprivileged.submit(command(f"{hold} & {hold}"), compute="cpu-cluster")
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.error is not None and run.error["reason"] == "oom"
    assert "limit is 256 MiB" in run.error["message"]
    until(lambda: not list(soft.names()))
