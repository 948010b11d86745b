"""R-J: cancel at any moment, and the same request again: one terminal state, one run."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.client import Client
from jupyter_aml.errors import ConflictError
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.faults.kit import ended, gone, kill, service_pid, until, with_failpoints

PHASES = (
    "run.claimed run.assigned run.spawned runner.locked runner.launched runner.begun runner.running "
    "runner.ended runner.collected result.written runner.end finalize.logs finalize.moved"
).split()


def test_cancel_at_each_phase_gives_one_terminal_state(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-J01: phases stretched by failpoints, cancels at random moments, some of them twice."""
    monkeypatch.setenv("AML_MAX_RUNS", "4")
    with_failpoints(workspace, monkeypatch, ";".join(f"{site}=sleep:0.06" for site in PHASES))
    choice = random.Random(7)
    kinds = ["true", "false", "echo x; sleep 0.2", "(setsid sleep 100 &); sleep 100"]
    runs = [
        workspace.submit(command(kinds[number % 4], retries=number % 3), display_name=f"r{number}")
        for number in range(24)
    ]
    answers: dict[str, list[str]] = {run.id: [] for run in runs}

    def cancel(run: Run, after: float) -> None:
        client = Client(workspace.client.location)
        time.sleep(after)
        try:
            answers[run.id].append(str(client.call("cancel_run", run_id=run.id)["status"]))
        except ConflictError:
            answers[run.id].append("conflict")
        client.close()

    threads = []
    for number, run in enumerate(runs):
        for _ in range(2 if number % 5 == 0 else 1):
            after = (number // 4) * 0.9 + choice.uniform(0, 2.5)
            threads.append(threading.Thread(target=cancel, args=(run, after)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in runs:
        if "sleep 100" in str(run.get_details()["spec"]["command"]) and not run.is_final:
            assert "CancelRequested" in answers[run.id] or run.status != "Running"
    ended(*runs, seconds=60)
    first = {run.id: run.status for run in runs}
    for run in runs:
        if answers[run.id] == ["conflict"] * len(answers[run.id]):
            assert first[run.id] in ("Completed", "Failed"), answers[run.id]
        until(lambda run=run: gone(run), 5)
    time.sleep(0.5)
    assert {run.id: run.refresh(always=True)["status"] for run in runs} == first
    assert "Canceled" in first.values()


def test_a_failure_while_being_canceled_is_not_tried_again(workspace: Workspace) -> None:
    """R-J01 against retry: the command ends badly because of the cancel, and there are retries left."""
    run = workspace.submit(command("trap 'exit 3' INT; echo ready; while :; do sleep 0.1; done", retries=5))
    until(lambda: "ready" in run.logs())
    run.cancel()
    ended(run, seconds=30)
    assert run.status == "Canceled" and run.get_details()["attempt"] == 1


def test_one_key_is_one_run_whoever_asks(workspace: Workspace) -> None:
    """R-J02: eight clients at once, again after a restart, and with another body."""
    spec = command("true").spec.model_dump(mode="json")
    found: list[str] = []

    def submit() -> None:
        client = Client(workspace.client.location)
        found.append(client.call("submit_job", job=spec, key="the key")["id"])
        client.close()

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1
    kill(service_pid(workspace))
    submit()
    assert len(set(found)) == 1
    with pytest.raises(ConflictError, match="the key"):
        workspace.client.call("submit_job", job={**spec, "command": "false"}, key="the key")
    started = [workspace.client.call("start_run", experiment="x", key="k2")["id"] for _ in range(2)]
    assert len(set(started)) == 1
    ended(workspace.runs.get(found[0]))
    assert len(workspace.runs.list()) == 2
    workspace.client.call("finish_run", run_id=started[0], status="Completed")
