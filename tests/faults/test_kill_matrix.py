"""R-A: somebody is killed at a named moment: the run is what it would have been, or says what happened."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.errors import AmlError
from jupyter_aml.workspace import Workspace
from tests.faults.kit import (
    book_job,
    check_traced,
    ended,
    executed,
    gone,
    kill,
    printed,
    processes,
    reason,
    runner_pid,
    service_pid,
    stopped,
    traced_job,
    until,
    with_failpoints,
)

WHILE_SUBMITTING = [
    "blob.written",
    "blob.renamed",
    "run.inserted",
    "db.commit",
    "db.committed",
    "run.recorded",
]
WHILE_RUNNING = [
    "run.claimed",
    "run.assigned",
    "run.spawned",
    "ingest.adopted",
    "ingest.applied",
    "finalize.logs",
    "finalize.moved",
    "folder.removed",
]


@pytest.mark.parametrize("site", [*WHILE_SUBMITTING, *WHILE_RUNNING])
def test_a_service_killed_anywhere_changes_nothing(
    site: str, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-A01, R-A02, R-A03: one run, started once, with all it said and left."""
    once, counter, code = tmp_path / "once", tmp_path / "counter", tmp_path / "code"
    code.mkdir()
    (code / "data.txt").write_text("taken along")
    with_failpoints(workspace, monkeypatch, f"{site}=kill9!{once}")
    job = traced_job(counter)
    job.folder = code
    run = workspace.submit(job)
    ended(run)
    until(once.exists, 10)  # the folder goes after the run is told to be final
    check_traced(run, counter)
    assert [found.id for found in workspace.runs.list()] == [run.id]
    until(lambda: not run._folder().root.exists())


@pytest.mark.parametrize(
    ("site", "status", "starts"),
    [
        ("runner.locked", "Completed", 1),  # nothing had begun: queued again
        ("runner.launched", "Completed", 2),  # at least once, never two at a time
        ("runner.begun", "Failed", 1),
        ("runner.running", "Failed", 1),
        ("runner.ended", "Failed", 1),
        ("runner.collected", "Failed", 1),
        ("result.written", "Completed", 1),
        ("runner.end", "Completed", 1),
    ],
)
def test_a_killed_runner_is_told_by_what_it_left(
    site: str, status: str, starts: int, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-A04, R-A05, R-A06: its tree dies with it, and a result it has written is the result."""
    counter, first = tmp_path / "counter", tmp_path / "first"
    points = f"{site}=kill9!{tmp_path / 'once'}"
    if site in ("runner.launched", "runner.begun", "runner.running"):
        # The command is at work by then, with a child that has left its session.
        points = f"{site}=wait:{counter};{points}"
    with_failpoints(workspace, monkeypatch, points)
    script = (
        f"mkdir -p outputs; echo kept > outputs/x; echo begun >> {counter};"
        f"if mkdir {first}; then case {site} in"
        " runner.launched|runner.begun|runner.running) (setsid sleep 300 &); sleep 300;; esac; fi"
    )
    run = workspace.submit(command(script))
    ended(run)
    assert (tmp_path / "once").exists(), "the site was not passed"
    assert (run.status, counter.read_text()) == (status, "begun\n" * starts)
    until(lambda: gone(run), 5)
    if status == "Failed":
        assert reason(run) == "runner_lost" and "killed" in (run.error or {})["message"]
    assert run.read_file("outputs/x") == b"kept\n"


def test_what_a_killed_runner_had_of_a_notebook_is_kept(workspace: Workspace, tmp_path: Path) -> None:
    """R-A04: the executed notebook up to its last finished cell, the log, the metrics, the outputs."""
    run = workspace.submit(
        book_job(
            tmp_path / "code",
            "print('first cell')",
            "from jupyter_aml import Run\nrun = Run.get_context()\n"
            "for step in range(500): run.log('loss', 1 / (step + 1), step)\n"
            "open('outputs/model.txt', 'w').write('half a model')\nrun.log_text('note.txt', 'kept')\n"
            "print('second cell')",
            "import subprocess, time\nsubprocess.Popen(['sleep', '300'], start_new_session=True)\n"
            "print('third cell', flush=True)\ntime.sleep(300)",
        )
    )
    until(lambda: "third cell" in run.logs())
    live = run._folder().attempt_folder(1) / "executed.ipynb"  # it is saved every so often
    until(lambda: live.exists() and "second cell\\n" in live.read_text())
    assert len(processes(run)) >= 2
    kill(until(lambda: runner_pid(run)))
    ended(run)
    assert (run.status, reason(run)) == ("Failed", "runner_lost")
    until(lambda: gone(run), 5)
    cells = executed(run).cells
    assert [printed(cell).strip() for cell in cells[:2]] == ["first cell", "second cell"]
    assert run.metric_history("loss")["steps"] == list(range(500))
    assert run.read_file("note.txt") == b"kept" and run.read_file("outputs/model.txt") == b"half a model"
    assert "second cell" in run.logs() and "third cell" in run.logs()


def is_warm(runner: int | None) -> bool:
    """Whether a runner was forked from the pool, whose arguments it has then."""
    return b"jupyter_aml.jobs.warm.server" in Path(f"/proc/{runner}/cmdline").read_bytes()


def warm_up(workspace: Workspace) -> None:
    """Come back when the pool is warm: a run has come out of it."""
    workspace.client.call("warm_up")

    def is_forked() -> bool:
        run = workspace.submit(command("echo begun; sleep 300"))
        until(lambda: "begun" in run.logs())
        found = is_warm(until(lambda: runner_pid(run)))
        run.cancel()
        ended(run)
        return found

    until(is_forked)


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_all_killed_at_once_is_a_lost_run_and_an_orderly_workspace(
    warm: bool, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-A09: service, runner, kernel, as when the machine goes down; cold, and forked from the warm pool."""
    monkeypatch.setenv("AML_WARM", "1" if warm else "0")
    monkeypatch.setenv("AML_WARM_PRELOAD", "")
    if warm:
        warm_up(workspace)
    cell = (
        "print('begun', flush=True)\nimport subprocess as s, time\ns.Popen(['sleep', '300'])\ntime.sleep(300)"
    )
    runs = [workspace.submit(book_job(tmp_path / str(number), cell)) for number in range(2)]
    until(lambda: all("begun" in run.logs() for run in runs))
    victims = [service_pid(workspace), *(runner_pid(run) for run in runs)]
    assert all(victims) and all(is_warm(pid) is warm for pid in victims[1:])
    kernel = processes(runs[0])[0]
    for pid in [*victims, kernel]:  # the second run's kernel and children are left to die by themselves
        kill(pid)
    ended(*runs, seconds=30)
    for run in runs:
        assert (run.status, reason(run)) == ("Failed", "runner_lost")
        until(lambda run=run: gone(run), 5)
        assert "begun" in run.logs()


def test_slow_is_not_dead(workspace: Workspace) -> None:
    """R-A10: a runner that is stopped for a while lives; nobody else begins its run."""
    run = workspace.submit(command("echo begun; sleep 2; echo over"))
    until(lambda: "begun" in run.logs())
    with stopped(until(lambda: runner_pid(run))):
        time.sleep(4)
        assert run.status == "Running"
    ended(run)
    assert run.status == "Completed" and run.logs() == "begun\nover\n"
    assert run.get_details()["attempt"] == 1


def test_an_interactive_run_survives_the_service_at_each_moment_of_its_end(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-A01 for a run in the kernel: the service dies while it is begun and at three moments of its end."""
    sites = ["run.inserted", "ingest.applied", "finalize.logs", "finalize.moved"]
    points = ";".join(f"{site}=kill9!{tmp_path / site}" for site in sites)
    with_failpoints(workspace, monkeypatch, points)
    run = workspace.experiments["x"].start_run("survivor")
    run.log("v", 1.0)
    run.log_text("a.txt", "bytes")
    for _ in range(10):
        try:
            run.complete()
            break
        except AmlError:  # the service broke off under the call, which is told to the caller
            continue
    again = workspace.runs.get(run.id)
    assert all((tmp_path / site).exists() for site in sites)
    assert (
        again.status == "Completed" and again.metrics == {"v": 1.0} and again.read_file("a.txt") == b"bytes"
    )
    assert [found.display_name for found in workspace.runs.list()] == ["survivor"]
    assert os.listdir(workspace.client.location.folder.runs) == []
