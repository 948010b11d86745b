"""Faults of machines and of the service that keeps them: what was wished for comes about, and nothing is left."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.client import launch
from jupyter_aml.compute.compute import ComputeCluster, ComputeFailedError, ComputeInstance
from jupyter_aml.compute.engines.local import cgroups
from jupyter_aml.compute.engines.local.slice import Slice
from jupyter_aml.compute.loop import ComputeLoop
from jupyter_aml.compute.model import CreateCluster, NewCompute
from jupyter_aml.compute.operations import create_compute, delete_compute, list_nodes, list_usage
from jupyter_aml.core.access import Principal
from jupyter_aml.core.operation import Context
from jupyter_aml.errors import ConflictError, NotFoundError, UnavailableError
from jupyter_aml.service.process import open_store
from jupyter_aml.tracking import states
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import is_alive, needs_groups, until
from tests.conftest import stop_service
from tests.faults.kit import (
    gone,
    holder,
    kill,
    processes,
    reason,
    runner_pid,
    service_pid,
    stopped,
    with_failpoints,
)

SMALL = {"cpus": 0.5, "memory": "256MiB"}
DAY_MS = 86_400_000


def nodes_of(cluster: ComputeCluster) -> list[str]:
    """The states of its nodes."""
    return sorted(node["state"] for node in cluster.list_nodes())


def broken_off(tell: Callable[[], object]) -> None:
    """Tell the service, which may be killed while it answers: the wish is written down by then."""
    with contextlib.suppress(UnavailableError):
        tell()


def not_metered(workspace: Workspace) -> bool:
    """Whether the meter stands still."""
    before = workspace.compute.usage()
    time.sleep(0.1)
    return list(workspace.compute.usage()) == list(before)


@pytest.mark.parametrize("site", ["compute.made", "compute.on", "compute.ended", "compute.removed"])
def test_a_service_killed_at_any_change_of_an_instance_brings_it_about(
    site: str, machines: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_failpoints(machines, monkeypatch, f"{site}=kill9!{tmp_path}/once")
    broken_off(lambda: machines.compute.create_instance("ci-ada", **SMALL, wait=False))
    instance = machines.compute.get("ci-ada")
    assert isinstance(instance, ComputeInstance)
    until(lambda: instance.state == "Running")
    run = machines.submit(command("echo on $AML_SLICE"), compute="ci-ada")
    run.wait_for_completion(show_output=False)
    assert run.logs().endswith("ci-ada\n")
    broken_off(lambda: instance.stop(wait=False))
    until(lambda: instance.state == "Stopped")
    assert not_metered(machines)
    broken_off(lambda: instance.start(wait=False))
    until(lambda: instance.state == "Running")
    assert not not_metered(machines)
    broken_off(lambda: instance.delete(wait=False))
    until(lambda: list(machines.compute) == [])
    assert not_metered(machines) and (tmp_path / "once").exists()


@pytest.mark.parametrize("site", ["node.added", "node.made", "run.claimed", "run.spawned", "node.ended"])
def test_a_service_killed_at_any_change_of_a_node_brings_it_about(
    site: str, machines: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = tmp_path / "starts"
    with_failpoints(machines, monkeypatch, f"{site}=kill9!{tmp_path}/once")
    cluster = machines.compute.create_cluster("cpu-cluster", **SMALL, idle_seconds_before_scaledown=0)
    run = machines.submit(command(f"echo begun >> {starts}; sleep 0.3; echo done"), compute="cpu-cluster")
    run.wait_for_completion(show_output=False)
    assert run.logs() == "done\n" and starts.read_text() == "begun\n"
    until(lambda: nodes_of(cluster) == [])
    until((tmp_path / "once").exists)
    assert not_metered(machines)


def test_a_node_whose_processes_are_all_killed_takes_the_next_run(machines: Workspace) -> None:
    cluster = machines.compute.create_cluster("cpu-cluster", **SMALL)
    run = machines.submit(command("(setsid sleep 300 &); echo begun; sleep 300"), compute="cpu-cluster")
    until(lambda: "begun" in run.logs())
    (node,) = cluster.list_nodes()
    for pid in [*processes(run), runner_pid(run)]:
        kill(pid)
    until(lambda: run.is_final)
    assert run.status == "Failed" and reason(run) in ("runner_lost", "user_error")
    until(lambda: gone(run))
    following = machines.submit(command("echo fine"), compute="cpu-cluster")
    following.wait_for_completion(show_output=False)
    assert [found["node_id"] for found in cluster.list_nodes()] == [node["node_id"]]


def test_a_run_on_a_lost_node_is_tried_again_when_asked_to(machines: Workspace) -> None:
    machines.compute.create_cluster("cpu-cluster", **SMALL)
    job = command('echo attempt $AML_ATTEMPT; if [ "$AML_ATTEMPT" = 1 ]; then sleep 300; fi', retries=1)
    run = machines.submit(job, compute="cpu-cluster")
    until(lambda: "attempt 1" in run.logs())
    kill(runner_pid(run))
    run.wait_for_completion(show_output=False)
    assert run.logs() == "attempt 2\n"


def test_a_host_that_was_suspended_goes_on_where_it_was(machines: Workspace) -> None:
    """Longer than anything is waited for: nobody is given up, nothing is begun twice."""
    cluster = machines.compute.create_cluster("cpu-cluster", **SMALL, idle_seconds_before_scaledown=1)
    count = "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.1; done"
    run = machines.submit(command(count), compute="cpu-cluster")
    until(lambda: "2\n" in run.logs())
    with contextlib.ExitStack() as host:
        for pid in [service_pid(machines), runner_pid(run), *processes(run)]:
            assert pid is not None
            with contextlib.suppress(ProcessLookupError):  # a `sleep` that has just ended
                host.enter_context(stopped(pid))
        time.sleep(9)
    run.wait_for_completion(show_output=False)
    assert run.logs() == "".join(f"{number}\n" for number in range(1, 11))
    assert run.get_details()["attempt"] == 1
    until(lambda: nodes_of(cluster) == [])


def test_the_service_alone_stands_still_and_the_run_does_not(machines: Workspace, tmp_path: Path) -> None:
    machines.compute.create_cluster("cpu-cluster", **SMALL, idle_seconds_before_scaledown=0)
    run = machines.submit(command(f"sleep 1; echo done | tee {tmp_path}/done"), compute="cpu-cluster")
    until(lambda: run.status == "Running")
    service = service_pid(machines)
    assert service is not None
    with stopped(service):
        until(lambda: holder(run._folder().lock) is None)
        assert (tmp_path / "done").read_text() == "done\n"
    run.wait_for_completion(show_output=False)
    assert run.get_details()["attempt"] == 1


def test_an_instance_deleted_while_it_is_made_leaves_nothing(machines: Workspace, tmp_path: Path) -> None:
    pid, script = tmp_path / "pid", "(setsid sleep 300 & echo $! > {}); sleep 300"
    instance = machines.compute.create_instance(
        "ci-ada", **SMALL, setup_script=script.format(pid), wait=False
    )
    until(lambda: pid.exists() and pid.read_text())
    assert instance.state == "Creating"
    with pytest.raises(ConflictError, match="is Creating"):
        instance.stop()
    instance.delete()
    assert not is_alive(int(pid.read_text())) and not (machines.path / "compute" / "ci-ada").exists()
    again = machines.compute.create_instance("ci-ada", **SMALL)
    assert again.state == "Running"
    log = (machines.path / "run" / "service.log").read_text()
    assert "Traceback" not in log


def test_an_instance_stopped_while_it_starts_is_stopped(
    machines: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = machines.compute.create_instance("ci-ada", **SMALL)
    instance.stop()
    with_failpoints(machines, monkeypatch, f"compute.made=wait:{tmp_path}/go")
    instance.start(wait=False)
    until(lambda: list(cgroups.names()) != [] or cgroups.means() == "soft")
    instance.stop(wait=False)
    (tmp_path / "go").touch()
    until(lambda: instance.state == "Stopped")
    assert not_metered(machines)


def test_a_cluster_deleted_while_its_nodes_come_leaves_nothing(
    machines: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_failpoints(machines, monkeypatch, f"node.made=wait:{tmp_path}/go")
    cluster = machines.compute.create_cluster("cpu-cluster", **SMALL, max_nodes=2)
    run = machines.submit(command("true"), compute="cpu-cluster")
    until(lambda: "preparing" in nodes_of(cluster))
    with pytest.raises(ConflictError, match="1 queued"):
        cluster.delete()
    cluster.delete(force=True, wait=False)
    (tmp_path / "go").touch()
    until(lambda: list(machines.compute) == [])
    assert run.status == "Canceled"


def test_two_clients_make_one_instance(machines: Workspace) -> None:
    code = (
        "from jupyter_aml import Workspace\nfrom jupyter_aml.errors import ConflictError\n"
        "try: print(Workspace.default().compute.create_instance('ci-ada', cpus=0.5, memory='256MiB').state)\n"
        "except ConflictError as error: print('refused:', error.headline)\n"
    )
    clients = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = sorted(client.communicate()[0].strip() for client in clients)
    assert said[0] == "Running"
    assert all(text.startswith("refused: There is a compute 'ci-ada' already") for text in said[1:])


def test_one_faulty_instance_keeps_nobody_waiting(machines: Workspace) -> None:
    faulty = machines.compute.create_instance("ci-ada", **SMALL)
    sound = machines.compute.create_instance("ci-bob", **SMALL)
    cluster = machines.compute.create_cluster("cpu-cluster", **SMALL, idle_seconds_before_scaledown=0)
    stop_service(machines)
    scratch = machines.path / "compute" / "ci-ada" / "scratch"
    scratch.rmdir()
    scratch.write_text("in the way")  # what looks after the instance again fails with this
    waiting = machines.submit(command("echo here"), compute="ci-ada")
    run = machines.submit(command("echo there"), compute="cpu-cluster")
    run.wait_for_completion(show_output=False)
    sound.stop()
    assert sound.state == "Stopped"
    until(lambda: nodes_of(cluster) == [])
    assert "ci-ada/scratch" in (machines.path / "run" / "service.log").read_text()
    scratch.unlink()
    waiting.wait_for_completion(show_output=False)
    faulty.delete()


@needs_groups
def test_a_service_started_from_inside_a_machine_does_not_end_with_it(home: Path) -> None:
    """A kernel on an instance is the first to need the service after its death."""
    workspace = Workspace.default()
    place = Slice.make(f"test-{os.getpid()}", 1, 512 * 1024**2)
    program = place.wrapped([sys.executable, "-P", "-m", "jupyter_aml.service", str(workspace.path)])
    with subprocess.Popen(program, env=launch.kept_environment()) as process:
        until(lambda: launch.read_address(workspace.client.location.folder))
        assert place.destroy()
        assert process.poll() is None and list(workspace.compute) == []
        stop_service(workspace)


@pytest.fixture
def stepped(home: Path) -> Iterator[tuple[Context, ComputeLoop]]:
    """The service's loop in this process, to be stepped at whatever time."""
    root = Workspace.default().path
    assert root is not None
    store = open_store(root)
    context, loop = Context(store, Principal("ada")), ComputeLoop(store)
    yield context, loop
    with contextlib.suppress(NotFoundError):
        delete_compute(context, "cpu-cluster", force=True)
    for _ in range(3):
        loop.step()
    store.database.close()


def test_a_clock_that_jumps_over_the_idle_time_keeps_the_cluster_whole(
    stepped: tuple[Context, ComputeLoop],
) -> None:
    context, loop = stepped
    wanted = CreateCluster(
        name="cpu-cluster", cpus=0.5, memory="256MiB", min_nodes=1, max_nodes=3, idle_seconds=600
    )
    create_compute(context, NewCompute(compute=wanted))
    for jump in (0, 0, DAY_MS, -DAY_MS, 3650 * DAY_MS, 0, 0):
        loop.clusters.step(states.now() + jump)
        assert [node.state for node in list_nodes(context, "cpu-cluster").items] == ["idle"]
    assert all(item.seconds >= 0 for item in list_usage(context).items)


def test_many_at_once_make_and_delete_one_name(machines: Workspace) -> None:
    """Whatever the order, each is answered, and in the end there is nothing of it."""
    answers: list[str] = []

    def work() -> None:
        for _ in range(3):
            try:
                machines.compute.create_instance("ci-ada", **SMALL).delete(force=True)
                answers.append("made")
            except (ConflictError, NotFoundError, ComputeFailedError) as error:
                answers.append(type(error).__name__)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 9 and "made" in answers
    until(lambda: list(machines.compute) == [])
