"""R-L01, R-L02: the service is gone or does not answer; who logs does not wait for it, and all of it arrives."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.core.journal import LifeLock
from jupyter_aml.workspace import Workspace
from tests.faults.kit import ended, kill, service_pid, stopped, until

POINTS = 3000
LOGGER = f"""
import os, sys, time
from pathlib import Path
from jupyter_aml import Run
run = Run.get_context()
run.log("v", 0.0, 0)
print("begun", flush=True)
while not Path(sys.argv[1]).exists():
    time.sleep(0.02)
for step in range(1, {POINTS}):
    run.log("v", float(step), step)
    if step % 500 == 0:
        run.log_text(f"t{{step}}.txt", f"text {{step}}")
        run.log_param(f"p{{step}}", step)
        print("step", step, flush=True)
Path("outputs/x").write_text("kept")
Path(sys.argv[1] + ".said").touch()
"""
FIFTHS = range(500, POINTS, 500)


@contextlib.contextmanager
def no_service(workspace: Workspace) -> Iterator[None]:
    """Inside the block the service is dead, and none can start."""
    lock = LifeLock(workspace.client.location.folder.lock)
    kill(service_pid(workspace))
    until(lock.take)
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def silent_service(workspace: Workspace) -> Iterator[None]:
    """Inside the block the service takes connections and answers nothing."""
    service = service_pid(workspace)
    assert service is not None
    with stopped(service):
        yield


@pytest.mark.parametrize("fault", [no_service, silent_service])
def test_what_is_logged_meanwhile_is_there_afterwards_once_and_in_order(
    fault: object, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "job.py").write_text(LOGGER)
    go = tmp_path / "go"
    job = workspace.submit(command(f"{sys.executable} job.py {go}", code=tmp_path / "code"))
    mine = workspace.experiments["x"].start_run()
    until(lambda: "begun" in job.logs())
    with fault(workspace):  # type: ignore[operator]
        go.touch()
        for step in range(POINTS):
            mine.log("v", float(step), step)
        mine.log_text("t.txt", "mine")
        mine.log_param("p", "mine")
        until(Path(f"{go}.said").exists)  # no call of the job has waited for the service
    ended(job)
    mine.complete()
    for run in (job, mine):
        assert run.status == "Completed" and run.get_details()["attempt"] == 1, run.error
        history = run.metric_history("v")
        assert history["steps"] == list(range(POINTS)) and history["values"] == [*map(float, range(POINTS))]
    assert job.logs() == "begun\n" + "".join(f"step {step}\n" for step in FIFTHS)
    assert job.params == {f"p{step}": str(step) for step in FIFTHS} and mine.params == {"p": "mine"}
    assert job.read_file("outputs/x") == b"kept" and mine.read_file("t.txt") == b"mine"
    for step in FIFTHS:
        assert job.read_file(f"t{step}.txt") == f"text {step}".encode()
