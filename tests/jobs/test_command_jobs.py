"""Command jobs from submit to end, with the faults they meet on the way."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.client import launch
from jupyter_aml.core.journal import LifeLock
from jupyter_aml.errors import InvalidError, NotFoundError, RunFailedError
from jupyter_aml.jobs.processes import marked
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for a condition; what it is about shows in the failing line of the caller."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def runner_pid(run: Run) -> int:
    """The process that holds the run's lock: the runner."""
    lock = str(run._folder().lock)
    for name in os.listdir("/proc"):
        if name.isdecimal():
            folder = Path("/proc", name, "fd")
            try:
                links = [os.readlink(folder / descriptor) for descriptor in os.listdir(folder)]
            except OSError:
                continue
            if lock in links:
                return int(name)
    raise AssertionError("nobody holds the lock")


def test_a_command_runs_in_its_snapshot_and_its_outputs_are_kept(
    workspace: Workspace, tmp_path: Path
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.sh").write_text(
        "echo data is $(cat data.txt); mkdir -p outputs; echo model > outputs/model.txt\n"
    )
    (code / "data.txt").write_text("as submitted")
    job = command(
        "sh train.sh; echo ${{inputs.text}} ${{inputs.n}}", code=code, inputs={"text": "it's; $HOME", "n": 3}
    )
    run = workspace.submit(job, experiment="shell", display_name="first", tags={"a": "b"})
    (code / "data.txt").write_text("changed after the submit")
    run.wait_for_completion(show_output=False)
    assert run.logs() == "data is as submitted\nit's; $HOME 3\n"
    assert run.read_file("outputs/model.txt") == b"model\n"
    assert run.params == {"text": "it's; $HOME", "n": "3"}
    assert (run.experiment_name, run.display_name, run.tags, run.kind) == (
        "shell",
        "first",
        {"a": "b"},
        "command",
    )
    assert [file["path"] for file in workspace.client.call("list_snapshot", run_id=run.id)["items"]] == [
        "data.txt",
        "train.sh",
    ]


def test_a_failing_command_says_how_it_ended_and_shows_its_last_lines(workspace: Workspace) -> None:
    run = workspace.submit(command("echo the cause; exit 3"))
    with pytest.raises(RunFailedError, match="exit code 3") as caught:
        run.wait_for_completion(show_output=False)
    assert "the cause" in str(caught.value)
    assert run.status == "Failed" and run.error is not None and run.error["log_tail"] == ["the cause"]


def test_a_job_logs_to_its_own_run(workspace: Workspace, tmp_path: Path) -> None:
    import sys

    (tmp_path / "train.py").write_text(
        "from jupyter_aml import Run\nrun = Run.get_context()\n"
        "[run.log('loss', 1 / (i + 1), i) for i in range(100)]\nrun.log_param('lr', 0.1)\n"
        "with run.child_run('below') as child: child.log('x', 1.0)\n"
    )
    run = workspace.submit(command(f"{sys.executable} train.py", code=tmp_path))
    run.wait_for_completion(show_output=False)
    assert len(run.metric_history("loss")["values"]) == 100 and run.params == {"lr": "0.1"}
    (child,) = run.get_children()
    assert child.display_name == "below" and child.metrics == {"x": 1.0}


def test_the_environment_of_a_job_holds_no_secret_of_its_submitter(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_CLOUD_KEY", "CANARY")
    monkeypatch.setenv("JUPYTER_TOKEN", "CANARY")
    run = workspace.submit(
        command("env; cat /proc/$PPID/environ | tr '\\0' '\\n'", environment_variables={"MINE": "yes"})
    )
    run.wait_for_completion(show_output=False)
    assert "CANARY" not in run.logs() and "MINE=yes" in run.logs()
    assert workspace.client.location.folder.token.read_text() not in run.logs()


@pytest.mark.parametrize("name", ["LD_PRELOAD", "AML_TOKEN", "JUPYTER_PATH", "BASH_ENV", "a b", "x=1", ""])
def test_variables_that_steer_the_runner_are_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(InvalidError):
        workspace.submit(command("true", environment_variables={name: "x"}))


def test_cancel_interrupts_first_and_nothing_is_left(workspace: Workspace) -> None:
    script = "trap 'echo saved; exit 1' INT; (setsid sleep 1000 &) ; echo ready; while :; do sleep 0.1; done"
    run = workspace.submit(command(script))
    until(lambda: "ready" in run.logs())
    run.cancel()
    until(lambda: run.is_final, 15)
    assert run.status == "Canceled" and "saved" in run.logs()
    assert list(marked(run.id)) == []


def test_a_job_that_ignores_signals_is_killed(workspace: Workspace) -> None:
    run = workspace.submit(command("trap '' INT TERM; echo ready; while :; do sleep 0.1; done"))
    until(lambda: "ready" in run.logs())
    run.cancel()
    until(lambda: run.is_final, 20)
    assert run.status == "Canceled" and list(marked(run.id)) == []


def test_a_queued_run_is_canceled_at_once(workspace: Workspace) -> None:
    holders = [workspace.submit(command("sleep 60")) for _ in range(os.cpu_count() or 1)]
    until(lambda: all(run.status == "Running" for run in holders))
    waiting = workspace.submit(command("true"))
    assert waiting.status == "Queued"
    waiting.cancel()
    assert waiting.status == "Canceled"
    for run in holders:
        run.cancel()
    until(lambda: all(run.is_final for run in holders), 20)


def test_the_time_out_ends_a_job_and_is_named(workspace: Workspace) -> None:
    run = workspace.submit(command("sleep 100", timeout="1s"))
    until(lambda: run.is_final, 20)
    assert run.status == "Failed" and run.error is not None and run.error["reason"] == "timeout"


def test_a_failed_job_is_tried_again_as_often_as_asked(workspace: Workspace, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    run = workspace.submit(command(f"echo x >> {counter}; test $(wc -l < {counter}) = 3", retries=3))
    run.wait_for_completion(show_output=False)
    assert run.get_details()["attempt"] == 3
    streams = {item["stream"] for item in workspace.client.call("list_logs", run_id=run.id)["items"]}
    assert "user_logs/std_log.attempt1.txt" in streams


def test_a_killed_runner_fails_its_run_and_takes_its_processes_along(workspace: Workspace) -> None:
    run = workspace.submit(command("echo begun; (setsid sleep 1000 &); sleep 1000"))
    until(lambda: "begun" in run.logs())
    os.kill(runner_pid(run), signal.SIGKILL)
    until(lambda: run.is_final)
    assert run.status == "Failed" and run.error is not None and run.error["reason"] == "runner_lost"
    assert list(marked(run.id)) == [] and "begun" in run.logs()


def test_a_job_survives_the_service_and_is_taken_in_by_the_next(workspace: Workspace, tmp_path: Path) -> None:
    run = workspace.submit(command("echo one; sleep 2; echo two; mkdir -p outputs; echo x > outputs/x"))
    until(lambda: "one" in run.logs())
    address = launch.read_address(workspace.client.location.folder)
    assert address is not None
    os.kill(address.pid, signal.SIGKILL)
    time.sleep(3)
    lock = LifeLock(run._folder().lock)
    assert lock.take(wait=5), "the runner ended without the service"
    lock.release()
    until(lambda: run.is_final)
    assert run.status == "Completed" and run.logs() == "one\ntwo\n" and run.read_file("outputs/x") == b"x\n"


def test_queued_jobs_go_on_when_the_service_is_back(workspace: Workspace) -> None:
    holders = [workspace.submit(command("sleep 1.5")) for _ in range(os.cpu_count() or 1)]
    waiting = workspace.submit(command("echo ran"))
    address = launch.read_address(workspace.client.location.folder)
    assert address is not None
    os.kill(address.pid, signal.SIGKILL)
    until(lambda: waiting.is_final)
    assert waiting.logs() == "ran\n"
    until(lambda: all(run.is_final for run in holders))
    assert [run.status for run in holders] == ["Completed"] * len(holders)


def test_the_same_key_is_the_same_run(workspace: Workspace) -> None:
    spec = command("true").spec.model_dump(mode="json")
    first = workspace.client.call("submit_job", job=spec, key="k1")
    second = workspace.client.call("submit_job", job=spec, key="k1")
    assert first["id"] == second["id"]
    other = {**spec, "command": "false"}
    from jupyter_aml.errors import ConflictError

    with pytest.raises(ConflictError, match="k1"):
        workspace.client.call("submit_job", job=other, key="k1")
    until(lambda: workspace.runs.get(first["id"]).is_final)


def test_rerun_uses_the_stored_snapshot_with_changed_inputs(workspace: Workspace, tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "x.txt").write_text("original")
    run = workspace.submit(command("cat x.txt; echo ${{inputs.a}}", code=code, inputs={"a": 1}))
    run.wait_for_completion(show_output=False)
    (code / "x.txt").unlink()
    code.rmdir()
    again = run.rerun(a=2)
    again.wait_for_completion(show_output=False)
    assert again.logs() == "original2\n" and again.id != run.id
    with pytest.raises(InvalidError, match="no input 'b'"):
        run.rerun(b=3)


def test_links_and_pipes_among_the_outputs_are_left_and_named(workspace: Workspace) -> None:
    script = "cd outputs; ln -s /etc/passwd link; mkfifo pipe; ln -s /etc folder; echo x > real; ln real hard"
    run = workspace.submit(command(script))
    run.wait_for_completion(show_output=False)
    kept = [name for name in run.get_file_names() if name.startswith("outputs/")]
    assert kept == ["outputs/hard", "outputs/real"]
    assert "link" in run.logs() and "pipe" in run.logs()


def test_a_flood_of_output_is_capped_head_and_tail(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = workspace.submit(command("echo begin; head -c 150000000 /dev/zero | tr '\\0' 'x'; echo; echo end"))
    run.wait_for_completion(show_output=False)
    (log,) = [
        f
        for f in workspace.client.call("list_artifacts", run_id=run.id)["items"]
        if f["path"].endswith("std_log.txt")
    ]
    assert log["size"] < 101 * 2**20
    path = run.download_file("user_logs/std_log.txt", tmp_path / "log.txt")
    with path.open("rb") as file:
        assert file.read(6) == b"begin\n"
        file.seek(-5, os.SEEK_END)
        assert file.read() == b"\nend\n"
    assert b"bytes dropped" in path.read_bytes()


def test_what_cannot_be_submitted_is_refused_before(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        command("true", code=tmp_path / "nowhere")
    with pytest.raises(NotFoundError, match="no compute 'gpu-box'"):
        workspace.submit(command("true"), compute="gpu-box")
    with pytest.raises(InvalidError):
        workspace.submit(command("true"), experiment="a/b")
    assert len(workspace.runs.list()) == 0


def test_logs_and_outputs_are_seen_while_the_job_runs(workspace: Workspace) -> None:
    run = workspace.submit(command("mkdir -p logs; echo 1 > logs/train.txt; echo started; sleep 60"))
    until(lambda: "started" in run.logs())
    until(lambda: "logs/train.txt" in run.get_file_names(), 5)
    assert run.status == "Running"
    run.cancel()
    until(lambda: run.is_final, 20)
