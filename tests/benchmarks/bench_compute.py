"""How soon a cluster has nodes for its jobs, and how many jobs a minute go through two nodes."""

from __future__ import annotations

import statistics
import subprocess
import time

from jupyter_aml import command
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.benchmarks.measuring import fresh_workspace, line

JOBS, ROUNDS = 200, 5
WORK = "sleep 0.2"


def started(workspace: Workspace, run: Run) -> float:
    """When a run began, in seconds since the epoch."""
    return float(workspace.client.call("get_run", run_id=run.id)["started_at"]) / 1000


def finish(workspace: Workspace, count: int) -> None:
    """Wait until ``count`` runs have ended."""
    while len(workspace.runs.search("attributes.status = 'Completed'", limit=1000)) < count:
        time.sleep(0.05)


def first_start(workspace: Workspace, compute: str) -> float:
    """Seconds from the submit of a job to its start."""
    begun = time.time()
    run = workspace.submit(command("true"), compute=compute)
    run.wait_for_completion(show_output=False)
    return started(workspace, run) - begun


def scale_up() -> None:
    """Four nodes from nothing: the first job against the same on this machine itself, and when all four are there."""
    with fresh_workspace(warm=True) as workspace:
        workspace.warm_up()
        time.sleep(10)
        local, fresh = [], []
        for number in range(ROUNDS):
            name = f"cluster-{number}"
            local.append(first_start(workspace, "local"))
            cluster = workspace.compute.create_cluster(name, cpus=0.5, memory="256MiB", max_nodes=4)
            begun = time.time()
            runs = [workspace.submit(command("sleep 2"), compute=name) for _ in range(4)]
            while len(cluster.list_nodes()) < 4:
                time.sleep(0.02)
            there = time.time() - begun
            for run in runs:
                run.wait_for_completion(show_output=False)
            fresh.append((started(workspace, runs[0]) - begun, there))
            cluster.delete()
        first, all_there = (statistics.median(column) for column in zip(*fresh, strict=True))
        beyond = first - statistics.median(local)
        print(
            f"  first job on a cluster with no node: {first:.2f} s, {beyond:.2f} s beyond its own start (wanted: at most 2)"
        )
        print(f"  four nodes there after {all_there:.2f} s")


def throughput(work: str) -> None:
    """Jobs a second through two nodes, against ``xargs -P 2``."""
    with fresh_workspace(warm=True) as workspace:
        workspace.warm_up()
        time.sleep(10)
        cluster = workspace.compute.create_cluster("two", cpus=1, memory="512MiB", min_nodes=2, max_nodes=2)
        runs = [workspace.submit(command(work), compute="two") for _ in range(JOBS)]
        finish(workspace, JOBS)
        found = [workspace.client.call("get_run", run_id=run.id) for run in runs]
        spent = (max(run["ended_at"] for run in found) - min(run["started_at"] for run in found)) / 1000
        cluster.delete()
    begun = time.perf_counter()
    subprocess.run(
        ["xargs", "-P", "2", "-I", "{}", "sh", "-c", work], input="x\n" * JOBS, text=True, check=True
    )
    other = JOBS / (time.perf_counter() - begun)
    line(
        f"{JOBS} queued jobs of '{work}' on two nodes, against xargs -P 2",
        JOBS / spent,
        other,
        "a second",
        "0.5",
    )


def main() -> None:
    scale_up()
    throughput("true")
    throughput(WORK)


if __name__ == "__main__":
    main()
