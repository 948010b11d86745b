"""R-A07, R-A08, R-F03, R-G10: kernels that die, hang or will not stop, and what they leave behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.compute.loop import ComputeLoop
from jupyter_aml.core.access import Principal
from jupyter_aml.core.operation import Context
from jupyter_aml.core.workspace import create_workspace_folder
from jupyter_aml.jobs import queue
from jupyter_aml.jobs.model import SubmitJob
from jupyter_aml.jobs.operations import submit_job
from jupyter_aml.service.fsck import check_store
from jupyter_aml.service.process import open_store
from jupyter_aml.tracking.reading import load_run
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.faults.kit import (
    book_job,
    ended,
    executed,
    gone,
    kill,
    printed,
    processes,
    reason,
    runner_pid,
    until,
)

# What the middle one of three cells does -> (status, reason, a word of the message).
DEATHS = {
    "import os; os.kill(os.getpid(), 9)": ("Failed", "kernel_died", "SIGKILL"),
    "import os; os.kill(os.getpid(), 11)": ("Failed", "kernel_died", "SIGSEGV"),
    "import os; os._exit(3)": ("Failed", "kernel_died", "exit code 3"),
    "import os; os._exit(0)": ("Failed", "kernel_died", "exit code 0"),
    "import sys; sys.exit(0)": ("Failed", "user_error", ""),
    "raise KeyboardInterrupt": ("Failed", "user_error", ""),
    "input('name? ')": ("Failed", "user_error", "parameter"),
}


def _submit_all(workspace: Workspace, folder: Path, cells: list[str], **options: object) -> list[Run]:
    return [
        workspace.submit(book_job(folder / str(number), "print('before')", cell, "print('after')", **options))
        for number, cell in enumerate(cells)
    ]


def test_each_way_to_die_is_named_and_the_notebook_is_kept(workspace: Workspace, tmp_path: Path) -> None:
    runs = _submit_all(workspace, tmp_path, list(DEATHS))
    ended(*runs, seconds=110)
    for run, (cell, (status, why, word)) in zip(runs, DEATHS.items(), strict=True):
        error = run.error or {}
        assert (run.status, error.get("reason")) == (status, why), (cell, error)
        assert word in error["message"] and error["cell"] == 1, (cell, error)
        first, _, last = executed(run).cells[-3:]
        assert printed(first) == "before\n" and "outputs" in last and not last.outputs, cell
        states = [item["state"] for item in run._client.call("list_cells", run_id=run.id)["items"]]
        assert states == ["completed", "failed", "pending"], cell
        assert gone(run), cell


def _middle_cell(run: Run) -> str:
    """The state of the second cell. What a kernel prints right before it stops may not come out of it."""
    cells = run._client.call("list_cells", run_id=run.id)["items"]
    return str(cells[1]["state"]) if cells else ""


STOP = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
SPIN = "while True: pass"
DEAF = (
    "import signal, time\nfor number in (2, 15): signal.signal(number, signal.SIG_IGN)\n"
    "while True: time.sleep(0.1)"
)


def test_a_hung_kernel_is_ended_by_cancel_and_by_its_time_out(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-F03: stopped, spinning, deaf to signals; canceled, and timed out."""
    monkeypatch.setenv("AML_MAX_RUNS", "6")
    canceled = _submit_all(workspace, tmp_path / "c", [STOP, SPIN, DEAF])
    timed = _submit_all(workspace, tmp_path / "t", [STOP, SPIN, DEAF], timeout="6s")
    until(lambda: all(_middle_cell(run) == "running" for run in canceled), 90)
    for run in canceled:
        run.cancel()
    ended(*canceled, *timed, seconds=60)
    for run in canceled:
        assert run.status == "Canceled", run.error
    for run in timed:
        assert (run.status, reason(run)) == ("Failed", "timeout"), run.error
    for run in [*canceled, *timed]:
        until(lambda run=run: gone(run), 5)


def test_what_children_leave_behind_ends_with_the_run(workspace: Workspace, tmp_path: Path) -> None:
    """R-A08: a session of its own, a double fork, a thread; at the end, at a cancel, at a runner's death."""
    spawn = (
        "import os, subprocess, threading, time\n"
        "subprocess.Popen(['setsid', 'sleep', '1000'])\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        os.setsid(); os.execvp('sleep', ['sleep', '1000'])\n"
        "    os._exit(0)\n"
        "threading.Thread(target=time.sleep, args=(1000,)).start()\n"
        "print('spawned', flush=True)"
    )
    done = workspace.submit(book_job(tmp_path / "a", spawn))
    canceled = workspace.submit(book_job(tmp_path / "b", spawn, "time.sleep(1000)"))
    ended(done)
    killed = workspace.submit(book_job(tmp_path / "c", spawn, "time.sleep(1000)"))
    until(lambda: "spawned" in canceled.logs() and "spawned" in killed.logs())
    assert len(processes(killed)) >= 3
    canceled.cancel()
    kill(until(lambda: runner_pid(killed)))
    ended(canceled, killed)
    assert [run.status for run in (done, canceled, killed)] == ["Completed", "Canceled", "Failed"]
    for run in (done, canceled, killed):
        until(lambda run=run: gone(run), 5)


def test_a_child_that_keeps_the_output_open_does_not_keep_the_run(workspace: Workspace) -> None:
    """R-F09: the command is over, its child still holds the pipe."""
    run = workspace.submit(command("(setsid sleep 1000 &); echo over"))
    ended(run, seconds=30)
    assert run.status == "Completed" and run.logs() == "over\n"
    until(lambda: gone(run), 5)


def test_asking_the_front_end_to_leave_does_nothing_in_a_run(workspace: Workspace, tmp_path: Path) -> None:
    """R-G10: ``quit()`` and ``exit`` ask a front end to end the kernel; a run has none."""
    run = workspace.submit(
        book_job(tmp_path, "print('before')", "quit()", "exit(0)", "exit", "print('after')")
    )
    ended(run)
    assert run.status == "Completed" and run.logs() == "before\nafter\n"


def test_a_run_whose_runner_never_begins_is_not_started_for_ever(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P3: it is queued again a few times, each under a new attempt number, and then says what is wrong."""
    monkeypatch.setattr(queue, "_UNSTARTED_SECONDS", 0.0)
    root = home / "workspace"
    create_workspace_folder(root, {"name": "w"}, exist_ok=False)
    store = open_store(root)
    try:
        body = SubmitJob.model_validate({"job": command("true").spec.model_dump(mode="json")})
        run_id = submit_job(Context(store, Principal("somebody")), body).id
        started: list[int] = []
        loop = queue.Queue(
            store, lambda _folder, attempt, _program: started.append(attempt), 1, {}, "", ComputeLoop(store),
            lambda _run: {},
        )  # fmt: skip
        while loop.step():
            assert len(started) < 10
        with store.database.read() as connection:
            run = load_run(connection, run_id)
        assert started == [1, 2, 3, 4] and run.status == "Failed"
        assert run.error is not None and run.error["reason"] == "start_failed"
        assert check_store(store) == []
    finally:
        store.database.close()
