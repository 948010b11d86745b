"""R-E: clocks that jump, process ids that come back, and a second service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.client import launch
from jupyter_aml.core.journal import LifeLock
from jupyter_aml.workspace import Workspace
from tests.faults.kit import ended, holder, kill, reason, runner_pid, service_pid, stopped, until

# Python reads this at its start: `time.time` of every process of ours is off by what the file says.
CLOCK = """
import time
from pathlib import Path

_file, _time, _time_ns = Path(__file__).with_name("offset"), time.time, time.time_ns


def _offset() -> float:
    try:
        return float(_file.read_text())
    except (OSError, ValueError):
        return 0.0


time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + int(_offset() * 1e9)
"""
DAY = 86_400
JUMPS = [-DAY, 3600, 10 * 365 * DAY, 0, -3600]


def test_a_clock_that_jumps_loses_no_run_and_makes_no_negative_time(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-E01: five jumps, up to ten years, while three runs log; leases and time-outs do not see them."""
    offset = tmp_path / "clock" / "offset"
    offset.parent.mkdir()
    offset.write_text("0")
    (offset.parent / "sitecustomize.py").write_text(CLOCK)
    monkeypatch.setenv("PYTHONPATH", str(offset.parent))
    monkeypatch.setenv("AML_MAX_RUNS", "3")
    (tmp_path / "code").mkdir()
    over = tmp_path / "over"
    (tmp_path / "code" / "job.py").write_text(
        "import itertools, os, time\nfrom jupyter_aml import Run\nrun = Run.get_context()\n"
        "for step in itertools.count():\n    run.log('v', float(step), step)\n"
        f"    time.sleep(0.05)\n    print(step, flush=True)\n    if os.path.exists({str(over)!r}): break\n"
    )
    job = command(f"{sys.executable} job.py", code=tmp_path / "code", timeout="100s")
    runs = [workspace.submit(job) for _ in range(3)]
    until(lambda: all(run.logs() for run in runs))
    for jump in JUMPS:
        seen = [len(run.metric_history("v")["steps"]) for run in runs]
        offset.write_text(str(jump))
        time.sleep(0.8)  # several beats of everything that looks at a clock
        until(
            lambda seen=seen: all(
                len(run.metric_history("v")["steps"]) > before + 3
                for run, before in zip(runs, seen, strict=True)
            )
        )
        assert all(run.status == "Running" for run in runs)
    over.touch()
    ended(*runs)
    for run in runs:
        details = run.get_details()
        assert run.status == "Completed" and details["attempt"] == 1, run.error
        assert details["created_at"] <= details["started_at"] <= details["ended_at"]
        history = run.metric_history("v")
        assert history["values"] == [float(step) for step in range(len(run.logs().split()))]
        assert max(history["times"]) - min(history["times"]) > 9 * 365 * DAY * 1000, "the clock did not jump"


def test_a_process_id_that_came_back_is_never_signalled(workspace: Workspace) -> None:
    """R-E03: a stranger has the killed runner's number, another has the service's; both live on."""
    run = workspace.submit(command("echo begun; sleep 300"))
    until(lambda: "begun" in run.logs())
    runner, service = until(lambda: runner_pid(run)), service_pid(workspace)
    assert service is not None
    kill(service)
    kill(runner)
    strangers = [_process_with_id(pid) for pid in (runner, service)]
    try:
        if None in strangers:
            pytest.skip("this machine does not let us choose a process id")
        ended(run, seconds=30)
        assert (run.status, reason(run)) == ("Failed", "runner_lost")
        assert service_pid(workspace) not in (None, service)
        assert [process.poll() for process in strangers if process] == [None, None]
    finally:
        for process in filter(None, strangers):
            process.kill()
            process.wait()


def _process_with_id(pid: int) -> subprocess.Popen[bytes] | None:
    """A process of the number ``pid``, which somebody else had before; None where that cannot be done."""
    until(lambda: not Path(f"/proc/{pid}").exists(), 5)
    for _ in range(300):
        try:
            Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        except OSError:
            return None
        process = subprocess.Popen(["sleep", "300"])
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    return None


def test_a_second_service_leaves_the_first_alone(workspace: Workspace) -> None:
    """R-E05: the second gives up at once; after a SIGKILL the lock is free for the next."""
    workspace.client.call("get_workspace")
    folder = workspace.client.location.folder
    first, address = service_pid(workspace), launch.read_address(folder)
    second = [sys.executable, "-P", "-m", "jupyter_aml.service", str(folder.root)]
    assert subprocess.run(second, check=False, timeout=30).returncode == 0
    assert service_pid(workspace) == first and launch.read_address(folder) == address
    assert first is not None
    with stopped(first):  # slow is not dead: nobody takes over
        assert subprocess.run(second, check=False, timeout=30).returncode == 0
    kill(first)
    until(lambda: not Path(f"/proc/{first}").exists(), 5)
    lock = LifeLock(folder.lock)
    assert lock.take(wait=1.0)
    lock.release()
    assert workspace.client.call("get_workspace")["name"] == "default"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_service_told_to_end_leaves_its_jobs_alone(number: signal.Signals, workspace: Workspace) -> None:
    """R-E09: TERM and INT end it in order, HUP does nothing; the job goes on either way."""
    run = workspace.submit(command("echo begun; sleep 1.5; echo over"))
    until(lambda: "begun" in run.logs())
    service = service_pid(workspace)
    assert service is not None
    os.kill(service, number)
    if number != signal.SIGHUP:
        until(lambda: holder(workspace.client.location.folder.lock) != service, 10)
    ended(run)
    assert run.status == "Completed" and run.logs() == "begun\nover\n"
