"""Kernels on an attached machine, over a real sshd: as a local kernel is, and nothing of them stays."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager, KernelManager

from jupyter_aml.compute.engines.ssh.channel import HostKeyChangedError
from jupyter_aml.compute.engines.ssh.connection import CONNECT_SECONDS
from jupyter_aml.errors import InvalidError, NotFoundError
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import is_alive, until
from tests.compute.ssh.conftest import Host, attach, children, make_key, with_suppressed_kill
from tests.compute.test_kernels import PATIENCE, Kernel

pytest.importorskip("sshpyk", reason="needs jupyter_aml[ssh]")
NAME = "aml-gpu-box"
Start = Callable[[], Kernel]


@pytest.fixture
def specs(workspace: Workspace) -> KernelSpecManager:
    """The kernels that the workspace offers."""
    folder = workspace.client.location.folder.kernels
    return KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)


@pytest.fixture
def start(workspace: Workspace, host: Host, specs: KernelSpecManager) -> Iterator[Start]:
    """Attaches the host, and starts kernels on it; afterwards nothing of them is left at either end."""
    attach(workspace, host)
    until(lambda: NAME in specs.find_kernel_specs())
    kernels: list[Kernel] = []

    def started() -> Kernel:
        kernels.append(Kernel(specs, NAME))
        return kernels[-1]

    yield started
    for kernel in kernels:
        kernel.close()
    until(lambda: not left_of(host))


def left_of(host: Host) -> list[str]:
    """What still runs for a kernel: here a connection's ``ssh``, there what has the host's folder in its words."""
    found = []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        ours = words[0] == "ssh" and str(host.port) in words
        if is_alive(pid) and (ours or any(word.startswith(str(host.home)) for word in words)):
            found.append(" ".join(words))
    return found


def pid_of(kernel: Kernel) -> int:
    return int(kernel.run("import os; print(os.getpid())"))


def test_a_kernel_runs_on_the_machine_and_ends_with_all_it_needed(host: Host, start: Start) -> None:
    kernel = start()
    assert kernel.run("import os; print(os.environ['HOME'])") == str(host.home)
    pid = pid_of(kernel)
    assert left_of(host) and is_alive(pid)
    assert heard_beyond_loopback(pid) == []
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel()
    until(lambda: not left_of(host))
    assert not is_alive(pid)
    assert not (host.home / ".local/share/jupyter/kernels").exists()  # its own Jupyter was left as it was


def heard_beyond_loopback(kernel: int) -> list[str]:
    """The addresses on which an ``ssh`` or the kernel listens for more than its own machine."""
    listening = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout
    lines = [line.split() for line in listening.splitlines()]
    ports = [line[3] for line in lines if '(("ssh",' in line[-1]]
    theirs = [line[3] for line in lines if f"pid={kernel}," in line[-1]]
    assert ports and theirs
    return [a for a in (*ports, *theirs) if not a.startswith(("127.0.0.1:", "[::1]:"))]


def test_interrupt_restart_and_kill_are_those_of_a_local_kernel(start: Start) -> None:
    kernel = start()
    begun = kernel.client.execute("print('begun'); import time; time.sleep(600)")
    while kernel.client.get_iopub_msg(timeout=PATIENCE)["content"].get("text", "").strip() != "begun":
        pass
    kernel.manager.interrupt_kernel()
    assert kernel.result(begun) == "KeyboardInterrupt"
    assert kernel.run("x = 1; print(x)") == "1"
    first = pid_of(kernel)

    kernel.manager.restart_kernel()  # as a person asks for it
    kernel.client.wait_for_ready(timeout=PATIENCE)
    assert kernel.run("print('x' in globals())") == "False"
    second = pid_of(kernel)
    assert second != first and not is_alive(first)

    os.kill(second, signal.SIGKILL)
    kernel.until_dead()
    kernel.restart()
    assert pid_of(kernel) not in (first, second)


def test_a_lost_connection_is_not_a_lost_kernel(host: Host, start: Start) -> None:
    kernel = start()
    kernel.run("x = 41")
    pid = pid_of(kernel)
    lose_connections(host)
    until(lambda: kernel.manager.is_alive() and answers(kernel))
    assert kernel.run("print(x + 1)") == "42" and pid_of(kernel) == pid


def lose_connections(host: Host) -> None:
    """End what serves a connection there, and nothing that was started over it."""
    for pid in host.connections():
        for one in [*children(pid), pid]:
            if Path(f"/proc/{one}/comm").read_text().startswith("sshd"):
                with_suppressed_kill(one)


def answers(kernel: Kernel) -> bool:
    """Whether what the kernel publishes comes through again."""
    asked = kernel.client.kernel_info()
    try:
        while kernel.client.get_iopub_msg(timeout=1)["parent_header"].get("msg_id") != asked:
            pass
    except queue.Empty:
        return False
    return True


def test_a_machine_that_does_not_answer_keeps_no_other_kernel_waiting(
    host: Host, start: Start, specs: KernelSpecManager
) -> None:
    """All kernels of a Jupyter server share one event loop."""
    start()
    asyncio.run(look_for_a_kernel_on_a_frozen_machine(host, specs))


async def look_for_a_kernel_on_a_frozen_machine(host: Host, specs: KernelSpecManager) -> None:
    manager = AsyncKernelManager(kernel_name=NAME, kernel_spec_manager=specs)
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=PATIENCE)
    client.stop_channels()
    assert host._process is not None
    os.kill(host._process.pid, signal.SIGSTOP)
    try:
        lose_connections(host)
        async with asyncio.timeout(CONNECT_SECONDS - 3):  # ssh itself gives up after that, and not before
            looking = asyncio.create_task(manager.is_alive())
            for _ in range(40):
                await asyncio.sleep(0.05)
            assert not looking.done()
            os.kill(host._process.pid, signal.SIGCONT)
            assert await looking
    finally:
        os.kill(host._process.pid, signal.SIGCONT)
    await manager.shutdown_kernel()


def test_another_host_key_is_refused_in_words(host: Host, start: Start) -> None:
    host.stop()
    for name in ("host_key", "host_key.pub"):
        (host.folder / name).unlink()
    make_key(host.folder / "host_key")
    host.start()
    with pytest.raises(
        HostKeyChangedError, match="another host key than the one that was confirmed for gpu-box"
    ):
        start()
    assert "Accepted" not in (host.folder / "sshd.log").read_text().rpartition("Server listening")[2]


def test_kernels_are_offered_while_the_machine_is_attached(
    workspace: Workspace, host: Host, specs: KernelSpecManager
) -> None:
    attached = attach(workspace, host)
    until(lambda: NAME in specs.find_kernel_specs())
    spec = specs.get_kernel_spec(NAME)
    assert spec.display_name == "Python 3 on gpu-box" and spec.interrupt_mode == "message"
    assert "jupyter_aml[ssh]" not in str(attached.get_status()["details"])
    attached.delete()
    until(lambda: specs.find_kernel_specs() == {})
    manager = KernelManager(kernel_name=NAME, kernel_spec_manager=specs)
    manager._kernel_spec = spec  # a page that was loaded before still offers it
    with pytest.raises(NotFoundError, match="no attached machine 'gpu-box'"):
        manager.start_kernel()


@pytest.mark.parametrize("name", ["../../etc", "-oProxyCommand=x", "a b", "$(id)", "x\n", ""], ids=repr)
def test_a_kernelspec_of_a_hostile_name_starts_nothing(
    workspace: Workspace, specs: KernelSpecManager, name: str
) -> None:
    folder = workspace.client.location.folder.kernels / "aml-odd"
    folder.mkdir(parents=True)
    config = {"provisioner_name": "aml-ssh", "config": {"compute": name}}
    spec = {"argv": [], "display_name": "x", "language": "python", "metadata": {"kernel_provisioner": config}}
    (folder / "kernel.json").write_text(json.dumps(spec))
    with pytest.raises(InvalidError, match="cannot name a compute"):
        KernelManager(kernel_name="aml-odd", kernel_spec_manager=specs).start_kernel()
