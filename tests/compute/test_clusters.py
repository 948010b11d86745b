"""Clusters on this machine: nodes come and go, hold their limits, and make room for others."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from jupyter_aml import command
from jupyter_aml.client import launch
from jupyter_aml.compute.compute import ComputeCluster
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import needs_groups, until

SMALL = {"cpus": 0.5, "memory": "256MiB"}


def states(cluster: ComputeCluster) -> list[str]:
    return sorted(node["state"] for node in cluster.list_nodes())


def test_nodes_come_with_the_jobs_and_go_after_idle_time(machines: Workspace) -> None:
    cluster = machines.compute.create_cluster(
        "cpu-cluster", **SMALL, max_nodes=2, idle_seconds_before_scaledown=1
    )
    assert states(cluster) == []
    runs = [
        machines.submit(command("sleep 0.5; echo on $AML_SLICE"), compute="cpu-cluster") for _ in range(4)
    ]
    until(lambda: states(cluster) == ["running", "running"])
    found = cluster.get_status()
    assert (found["current_nodes"], found["target_nodes"], found["allocation_state"]) == (2, 2, "steady")
    assert {node["run_id"] for node in cluster.list_nodes()} <= {run.id for run in runs}
    for run in runs:
        run.wait_for_completion(show_output=False)
    assert len({run.logs() for run in runs}) == 2, "two nodes did all the work"
    until(lambda: states(cluster) == [])
    usage = machines.compute.usage("cpu-cluster")[0]
    assert usage["kind"] == "cluster" and 2 < usage["seconds"] < 60 and usage["cost"] > 0


def test_the_least_number_of_nodes_is_there_at_once_and_changes(machines: Workspace) -> None:
    cluster = machines.compute.create_cluster(
        "warm", **SMALL, min_nodes=1, max_nodes=3, idle_seconds_before_scaledown=0
    )
    until(lambda: states(cluster) == ["idle"])
    cluster.update(min_nodes=2)
    until(lambda: states(cluster) == ["idle", "idle"])
    cluster.update(min_nodes=0)
    until(lambda: states(cluster) == [])
    with pytest.raises(InvalidError, match="max_nodes"):
        cluster.update(min_nodes=4)


@needs_groups
def test_a_job_that_takes_too_much_memory_is_told_its_limit(machines: Workspace) -> None:
    machines.compute.create_cluster("cpu-cluster", **SMALL, idle_seconds_before_scaledown=0)
    greedy = machines.submit(command("python -c 'x = bytearray(900 << 20)'"), compute="cpu-cluster")
    cell = machines.submit_cell("x = bytearray(900 << 20)", {}, compute="cpu-cluster")
    for run in (greedy, cell):
        run.wait_for_completion(show_output=False, raise_on_error=False)
        assert run.status == "Failed" and run.error is not None
        assert run.error["reason"] == "oom" and "limit is 256 MiB" in run.error["message"]
    good = machines.submit(command("echo fine"), compute="cpu-cluster")
    good.wait_for_completion(show_output=False)


@needs_groups
def test_a_node_holds_its_job_to_its_cores(machines: Workspace) -> None:
    machines.compute.create_cluster("cpu-cluster", **SMALL)
    burn = "import time, os\nend = time.time() + 2\nwhile time.time() < end: pass\nprint(os.times().user)"
    run = machines.submit(command(f'python -c "{burn}"'), compute="cpu-cluster")
    run.wait_for_completion(show_output=False)
    assert float(run.logs()) < 1.6, "half a core for two seconds"


def test_jobs_of_a_cluster_start_in_their_order(machines: Workspace) -> None:
    machines.compute.create_cluster("cpu-cluster", **SMALL)
    runs = [machines.submit(command("true"), compute="cpu-cluster") for _ in range(4)]
    for run in runs:
        run.wait_for_completion(show_output=False)
    started = [machines.client.call("get_run", run_id=run.id)["started_at"] for run in runs]
    assert started == sorted(started)


def test_low_priority_makes_room_and_goes_on_later(machines: Workspace) -> None:
    cores = len(os.sched_getaffinity(0))
    low = machines.compute.create_cluster(
        "spot", cpus=cores, memory="256MiB", priority="low_priority", idle_seconds_before_scaledown=0
    )
    high = machines.compute.create_cluster(
        "high", cpus=cores, memory="256MiB", idle_seconds_before_scaledown=0
    )
    patient = 'trap "echo asked to end; exit 1" TERM; echo attempt $AML_ATTEMPT; if [ $AML_ATTEMPT = 1 ]; then while :; do sleep 0.1; done; fi'
    displaced = machines.submit(command(patient), compute="spot")
    until(lambda: displaced.status == "Running" and "attempt 1" in displaced.logs())
    wanted = machines.submit(command("echo high"), compute="high")
    wanted.wait_for_completion(show_output=False)
    displaced.wait_for_completion(show_output=False)
    assert displaced.logs() == "attempt 2\n"
    assert machines.client.call("get_run", run_id=displaced.id)["attempt"] == 2
    until(lambda: states(low) == [] and states(high) == [])


def test_a_killed_service_finds_its_nodes_and_their_jobs_again(machines: Workspace) -> None:
    cluster = machines.compute.create_cluster(
        "cpu-cluster", **SMALL, max_nodes=2, idle_seconds_before_scaledown=1
    )
    run = machines.submit(command("sleep 2; echo done"), compute="cpu-cluster")
    until(lambda: run.status == "Running")
    address = launch.read_address(machines.client.location.folder)
    assert address is not None
    os.kill(address.pid, signal.SIGKILL)
    assert states(cluster) == ["running"]
    run.wait_for_completion(show_output=False)
    assert run.logs() == "done\n"
    until(lambda: states(cluster) == [])


def test_deletion_asks_while_runs_are_on_it_and_ends_them_by_force(machines: Workspace) -> None:
    cluster = machines.compute.create_cluster("cpu-cluster", **SMALL)
    running = machines.submit(command("sleep 100"), compute="cpu-cluster")
    until(lambda: running.status == "Running")
    queued = machines.submit(command("sleep 100"), compute="cpu-cluster")
    with pytest.raises(ConflictError, match=r"1 active and 1 queued(.|\n)*--force"):
        cluster.delete()
    cluster.delete(force=True)
    assert (running.status, queued.status) == ("Canceled", "Canceled")
    with pytest.raises(NotFoundError):
        machines.compute.get("cpu-cluster")
    with pytest.raises(NotFoundError, match="no compute"):
        machines.submit(command("true"), compute="cpu-cluster")


def test_two_clients_make_one_cluster(machines: Workspace) -> None:
    outcomes: list[str] = []

    def make() -> None:
        try:
            machines.compute.create_cluster("cpu-cluster", **SMALL)
            outcomes.append("made")
        except ConflictError:
            outcomes.append("refused")

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", "refused", "refused", "refused"]
    assert machines.compute.create_cluster("CPU-Cluster", **SMALL, exist_ok=True).name == "cpu-cluster"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "ab",
        "1abc",
        "abc-",
        "x" * 25,
        "a b c",
        "a/b/c",
        "../abc",
        "local",
        "LOCAL",
        "$(id)abc",
        "abc\n",
        "äbc",
        "-abc",
    ],
)
def test_what_cannot_name_a_compute_is_refused(machines: Workspace, name: str) -> None:
    with pytest.raises(InvalidError):
        machines.compute.create_cluster(name, **SMALL)
    assert list(machines.compute) == []


def test_what_this_machine_can_never_hold_is_refused_with_what_it_has(machines: Workspace) -> None:
    with pytest.raises(InvalidError, match=r"40 cores, 672 GiB, 8 GPUs; this machine has"):
        machines.compute.create_cluster("giant", "STANDARD_ND40RS_V2")
    with pytest.raises(InvalidError, match="size by name, or cpus"):
        machines.compute.create_cluster("both", "STANDARD_DS1_V2", cpus=1)


def test_a_quota_keeps_nodes_away_and_says_so(machines: Workspace) -> None:
    machines.compute.set_quota("custom", 0.5)
    with pytest.raises(ConflictError, match=r"quota of custom is 0.5 cores: 0 are used, 1 more"):
        machines.compute.create_cluster("cpu-cluster", **SMALL, min_nodes=2, max_nodes=2)
    cluster = machines.compute.create_cluster("cpu-cluster", **SMALL, max_nodes=2)
    runs = [machines.submit(command("sleep 0.3"), compute="cpu-cluster") for _ in range(2)]
    until(lambda: states(cluster) == ["running"])
    for run in runs:
        run.wait_for_completion(show_output=False)
        assert len(cluster.list_nodes()) <= 1
    assert machines.compute.quotas()[0]["limit"] == 0.5


def test_a_wrong_compute_gets_the_nearest_name(machines: Workspace) -> None:
    machines.compute.create_cluster("cpu-cluster", **SMALL)
    with pytest.raises(NotFoundError, match="cpu-cluster"):
        machines.submit(command("true"), compute="cpu-clutser")


def test_a_distributed_command_has_a_process_a_rank_on_nodes_of_its_own(machines: Workspace) -> None:
    machines.compute.create_cluster("cpu-cluster", **SMALL, max_nodes=2)
    job = command(
        "echo rank $RANK of $WORLD_SIZE, $LOCAL_RANK on $NODE_RANK, $MASTER_ADDR:$MASTER_PORT, $AML_SLICE",
        instance_count=2,
        distribution={"type": "pytorch", "process_count_per_instance": 2},
    )
    run = machines.submit(job, compute="cpu-cluster")
    run.wait_for_completion(show_output=False)
    streams = ["user_logs/std_log.txt", *(f"user_logs/std_log_process_{rank:02d}.txt" for rank in (1, 2, 3))]
    told = [run.logs(stream).strip().split(", ") for stream in streams]
    assert [parts[0] for parts in told] == [f"rank {rank} of 4" for rank in range(4)]
    assert [parts[1] for parts in told] == ["0 on 0", "1 on 0", "0 on 1", "1 on 1"]
    assert len({parts[2] for parts in told}) == 1 and told[0][2].startswith("127.0.0.1:")
    assert told[0][3] == told[1][3] != told[2][3] == told[3][3]


def test_when_one_rank_fails_all_end_and_the_run_says_which(machines: Workspace) -> None:
    job = command(
        'if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then sleep 0.5; exit 7; fi; sleep 300',
        distribution={"type": "mpi", "process_count_per_instance": 3},
    )
    run = machines.submit(job)
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.status == "Failed" and run.error is not None
    assert run.error["message"] == "rank 1 of the command ended with exit code 7"


def test_a_job_for_more_nodes_than_a_cluster_has_is_refused(machines: Workspace) -> None:
    machines.compute.create_cluster("cpu-cluster", **SMALL, max_nodes=2)
    for compute, reason in (("cpu-cluster", "at most 2"), ("local", "one machine")):
        with pytest.raises(InvalidError, match=reason):
            machines.submit(command("true", instance_count=3), compute=compute)
