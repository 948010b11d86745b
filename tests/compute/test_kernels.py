"""Real kernels on real instances: where they run, how they are told to stop, and what ends them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import KernelManager

from jupyter_aml.client import launch
from jupyter_aml.compute.compute import ComputeInstance
from jupyter_aml.errors import AmlError
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import is_alive, needs_groups, until

pytestmark = needs_groups
MEMORY = 250 * 2**20
PATIENCE = 60


class Kernel:
    """A kernel started as a front end starts it, by the name in a notebook."""

    def __init__(self, specs: KernelSpecManager, name: str) -> None:
        self.manager = KernelManager(kernel_name=name, kernel_spec_manager=specs)
        self.manager.start_kernel()
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)  # type: ignore[union-attr]

    def run(self, code: str) -> str:
        """What a cell prints; the name of its error where it raises."""
        return self.result(self.client.execute(code))

    def result(self, message_id: str) -> str:
        said: list[str] = []
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            content = message["content"]
            said += [content[name] for name in ("text", "ename") if name in content]
            if content.get("execution_state") == "idle":
                return "".join(said).strip()

    def until_dead(self) -> None:
        until(lambda: not self.manager.is_alive())

    def restart(self) -> None:
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=PATIENCE)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def specs(machines: Workspace) -> KernelSpecManager:
    """The kernels that the workspace offers."""
    folder = machines.client.location.folder.kernels
    return KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)


@pytest.fixture
def start(machines: Workspace, specs: KernelSpecManager) -> Iterator[Callable[[str], Kernel]]:
    """Starts the kernel of an instance."""
    kernels: list[Kernel] = []

    def started(instance: str) -> Kernel:
        kernels.append(Kernel(specs, f"aml-{instance}"))
        return kernels[-1]

    yield started
    for kernel in kernels:
        kernel.close()


def make(machines: Workspace, name: str = "ci-ada", **settings: Any) -> ComputeInstance:
    return machines.compute.create_instance(name, **{"cpus": 0.5, "memory": MEMORY, **settings})


def groups_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text()


def test_a_kernel_runs_inside_its_instance(machines: Workspace, start: Callable[[str], Kernel]) -> None:
    make(machines)
    kernel = start("ci-ada")
    assert "ci-ada" in kernel.run("print(open('/proc/self/cgroup').read())")
    assert kernel.run("import os; print(os.environ['OMP_NUM_THREADS'], os.environ['AML_WORKSPACE'])") == (
        f"1 {machines.path}"
    )
    child = (
        "import subprocess; print(subprocess.run(['cat', '/proc/self/cgroup'], stdout=-1, text=True).stdout)"
    )
    assert "ci-ada" in kernel.run(child)
    assert "ci-ada" not in groups_of(os.getpid())


def test_interrupt_kill_and_restart_are_those_of_a_local_kernel(
    machines: Workspace, start: Callable[[str], Kernel]
) -> None:
    make(machines)
    kernel = start("ci-ada")
    begun = kernel.client.execute("print('begun'); import time; time.sleep(600)")
    while kernel.client.get_iopub_msg(timeout=PATIENCE)["content"].get("text", "").strip() != "begun":
        pass
    kernel.manager.interrupt_kernel()
    assert kernel.result(begun) == "KeyboardInterrupt"
    assert kernel.run("x = 1; print(x)") == "1"

    os.kill(kernel.pid, signal.SIGKILL)
    kernel.until_dead()
    killed = kernel.pid
    kernel.restart()
    assert kernel.pid != killed
    assert kernel.run("print('x' in globals(), 'ci-ada' in open('/proc/self/cgroup').read())") == "False True"


def test_kernels_are_offered_while_the_instance_exists(machines: Workspace, specs: KernelSpecManager) -> None:
    assert specs.find_kernel_specs() == {}
    instance = make(machines)
    found = specs.get_all_specs()
    assert [spec["spec"]["display_name"] for spec in found.values()] == ["Python 3 on ci-ada"]
    assert (Path(found["aml-ci-ada"]["resource_dir"]) / "logo-64x64.png").is_file()
    instance.stop()
    assert "aml-ci-ada" in specs.find_kernel_specs()
    instance.delete()
    assert specs.find_kernel_specs() == {}
    with pytest.raises(NoSuchKernel):
        specs.get_kernel_spec("aml-ci-ada")


def test_a_kernelspec_that_was_removed_by_hand_is_made_again(
    machines: Workspace, specs: KernelSpecManager
) -> None:
    make(machines)
    specs.remove_kernel_spec("aml-ci-ada")
    until(lambda: "aml-ci-ada" in specs.find_kernel_specs())


def test_a_stopped_instance_takes_no_kernel_and_says_so(
    machines: Workspace, specs: KernelSpecManager, start: Callable[[str], Kernel]
) -> None:
    instance = make(machines)
    instance.stop()
    with pytest.raises(AmlError, match=r"ci-ada is stopped[^$]*aml compute start -n ci-ada"):
        start("ci-ada")
    spec = specs.get_kernel_spec("aml-ci-ada")
    instance.start()
    assert start("ci-ada").run("print(1)") == "1"
    instance.delete()
    until(lambda: specs.find_kernel_specs() == {})
    manager = KernelManager(kernel_name="aml-ci-ada", kernel_spec_manager=specs)
    manager._kernel_spec = spec  # a page that was loaded before the instance was deleted still offers it
    with pytest.raises(AmlError, match="There is no compute 'ci-ada'"):
        manager.start_kernel()


def test_the_stop_of_an_instance_ends_its_kernels(
    machines: Workspace, start: Callable[[str], Kernel]
) -> None:
    instance = make(machines)
    kernel = start("ci-ada")
    child = int(
        kernel.run("import subprocess; print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)")
    )
    pid = kernel.pid
    instance.stop()
    kernel.until_dead()
    assert not is_alive(pid) and not is_alive(child)
    with pytest.raises(AmlError, match="ci-ada is stopped"):
        kernel.manager.restart_kernel(now=True)
    instance.start()
    kernel.restart()
    assert kernel.run("print('ci-ada' in open('/proc/self/cgroup').read())") == "True"


def test_too_much_memory_ends_the_kernel_alone_and_the_message_names_the_limit(
    machines: Workspace, start: Callable[[str], Kernel]
) -> None:
    bomb, other = make(machines), make(machines, "ci-bob")
    victim, neighbour = start("ci-ada"), start("ci-bob")
    before = neighbour.pid
    victim.client.execute("x = bytearray(600 * 2**20)")
    victim.until_dead()
    until(lambda: len(bomb.get_status()["details"]) > 1)
    message = bomb.get_status()["details"][1]
    assert "250 MiB of memory" in message and "ci-ada" in message
    assert bomb.state == "Running"  # the instance goes on; only the process has gone
    victim.restart()
    assert victim.run("print('here')") == "here"
    assert neighbour.run("print('unharmed')") == "unharmed" and neighbour.pid == before
    assert len(other.get_status()["details"]) == 1


def test_a_fork_bomb_is_held_to_its_instance(machines: Workspace, start: Callable[[str], Kernel]) -> None:
    instance = make(machines, memory=600 * 2**20)
    kernel = start("ci-ada")
    (group,) = {line.split(":")[2] for line in groups_of(kernel.pid).splitlines() if ":pids:" in line} or {""}
    if not group:
        pytest.skip("the number of processes is held by another controller here")
    most = Path("/sys/fs/cgroup/pids") / group.lstrip("/") / "pids.max"
    assert 0 < int(most.read_text()) <= 4096
    most.write_text("60")  # the same limit, made small so that the test stays small
    bomb = """
import subprocess
try:
    children = [subprocess.Popen(["sleep", "600"]) for _ in range(200)]
except BlockingIOError as error:
    print("refused")
"""
    assert kernel.run(bomb) == "refused"
    assert kernel.run("print('alive')") == "alive"
    instance.stop()
    assert not is_alive(kernel.pid)


def test_a_kernel_lives_on_when_the_service_is_killed(
    machines: Workspace, start: Callable[[str], Kernel]
) -> None:
    instance = make(machines)
    kernel = start("ci-ada")
    kernel.run("x = 41")
    folder = machines.client.location.folder
    address = launch.read_address(folder)
    assert address is not None
    os.kill(address.pid, signal.SIGKILL)
    until(lambda: not launch.is_running(folder))
    assert kernel.run("print(x + 1)") == "42"
    assert instance.state == "Running"
    time.sleep(3)  # the loop of the new service has looked after everything by now
    assert kernel.run("print(x + 1)") == "42" and start("ci-ada").run("print(2)") == "2"


def test_each_environment_on_an_instance_is_a_kernel(
    machines: Workspace, specs: KernelSpecManager, start: Callable[[str], Kernel]
) -> None:
    machines.environments.create("own", interpreter=sys.executable, environment_variables={"PRICE": "5$"})
    instance = make(machines, environment=["own", "none-such"])
    until(lambda: "aml-ci-ada.own" in specs.find_kernel_specs())
    assert specs.get_kernel_spec("aml-ci-ada.own").display_name == "Python 3 (own) on ci-ada"
    kernel = start("ci-ada.own")
    assert kernel.run("import os, sys; print(sys.executable, os.environ['PRICE'])") == f"{sys.executable} 5$"
    assert "ci-ada" in kernel.run("print(open('/proc/self/cgroup').read())")
    problem = instance.get_status()["details"][-1]
    assert problem.startswith("environment none-such offers no kernel: There is no environment 'none-such'")
    instance.update(environments=[])
    until(lambda: list(specs.find_kernel_specs()) == ["aml-ci-ada"])


def test_an_environment_is_built_for_the_instance_and_what_is_installed_stays_with_it(
    machines: Workspace, specs: KernelSpecManager, start: Callable[[str], Kernel]
) -> None:
    instance = make(machines, memory=400 * 2**20, environment="minimal")
    until(lambda: "aml-ci-ada.minimal" in specs.find_kernel_specs(), seconds=100)
    assert not [line for line in instance.get_status()["details"] if "prepared" in line]
    kernel = start("ci-ada.minimal")
    own = f"{machines.path}/compute/ci-ada/environments/"
    assert kernel.run("import sys; print(sys.prefix)").startswith(own)
    assert kernel.run("import sysconfig; print(sysconfig.get_path('purelib'))").startswith(own)
    assert kernel.run("import ipykernel; print('site-packages' in ipykernel.__file__)") == "True"
    assert machines.environments.prune(0)["removed"] == []  # it is in use
    instance.delete()
    assert len(machines.environments.prune(0)["removed"]) == 1
