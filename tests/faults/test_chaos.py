"""R-M01 in small: half a minute of random kills while jobs and processes log; a history of what was told."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.errors import AmlError
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.faults.kit import book_job, ended, gone, kill, processes, runner_pid, service_pid, until

SECONDS = float(os.environ.get("AML_TEST_CHAOS_SECONDS", "20"))
SEED = int(os.environ.get("AML_TEST_SEED", "2026"))

# Both tell, outside of the workspace, what was logged: after each call has returned.
LOGGER = """
import json, os, sys
from jupyter_aml import Run
acks = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
run = Run.get_context()
import time
for step in range(100_000):
    run.log("v", float(step), step)
    if step % 50 == 0:
        run.log_text(f"t{step}.txt", f"text {step}")
        told = {"run": run.id, "points": step + 1, "file": f"t{step}.txt"}
        os.write(acks, json.dumps(told).encode() + b"\\n")
        time.sleep(0.05)
    if step == 1500:
        break
"""
INTERACTIVE = """
import json, os, sys, time
from jupyter_aml import Workspace
acks = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
end = time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    run = Workspace.default().experiments["chaos"].start_run(tags={"who": "interactive"})
    for step in range(200):
        run.log("v", float(step), step)
        time.sleep(0.002)
    run.log_text("t.txt", "text")
    os.write(acks, json.dumps({"run": run.id, "points": 200, "file": "t.txt"}).encode() + b"\\n")
    run.complete()
    os.write(acks, json.dumps({"run": run.id, "ended": "Completed"}).encode() + b"\\n")
"""


class Chaos:
    """Kills something every so often, and counts it."""

    def __init__(self, workspace: Workspace, choice: random.Random) -> None:
        self._workspace = workspace
        self._choice = choice
        self.runs: list[Run] = []
        self.children: list[subprocess.Popen[bytes]] = []
        self.kills: dict[str, int] = {}

    def strike(self) -> None:
        """One random kill."""
        what = self._choice.choice(["service", "service", "runner", "job", "interactive", "all"])
        alive = [run for run in self.runs if run._folder().root.is_dir()]
        victims: list[int | None] = []
        if what in ("service", "all"):
            victims.append(service_pid(self._workspace))
        if alive and what in ("runner", "job", "all"):
            run = self._choice.choice(alive)
            if what != "job":
                victims.append(runner_pid(run))
            if what != "runner":
                victims += processes(run)[:1]
        if what == "interactive" and self.children:
            victims.append(self._choice.choice(self.children).pid)
        for pid in filter(None, victims):
            kill(pid)
            self.kills[what] = self.kills.get(what, 0) + 1


def _told(folder: Path) -> list[dict[str, object]]:
    lines = [line for file in folder.iterdir() for line in file.read_text().split("\n") if line]
    return [json.loads(line) for line in lines]


def _missing(workspace: Workspace, item: dict[str, object]) -> str | None:
    run = workspace.runs.get(str(item["run"]))
    if "ended" in item:
        return None if run.status == item["ended"] else f"{item}: {run.status}"
    values = run.metric_history("v")["values"]
    if values[: int(str(item["points"]))] != [float(n) for n in range(int(str(item["points"])))]:
        return f"{item}: {len(values)} points"
    return None if item["file"] in run.get_file_names() else f"{item}: no file"


@pytest.mark.slow
def test_random_kills_lose_nothing_that_was_acknowledged(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AML_MAX_RUNS", "4")
    choice = random.Random(SEED)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "job.py").write_text(LOGGER)
    acks = tmp_path / "acks"
    acks.mkdir()
    chaos = Chaos(workspace, choice)
    for number in range(2):
        arguments = [sys.executable, "-c", INTERACTIVE, str(acks / f"i{number}"), str(SECONDS)]
        chaos.children.append(subprocess.Popen(arguments, stderr=subprocess.DEVNULL))
    stop = threading.Event()

    def rage() -> None:
        while not stop.wait(choice.uniform(0.3, 1.2)):
            chaos.strike()

    rager = threading.Thread(target=rage)
    rager.start()
    end, number, refused = time.monotonic() + SECONDS, 0, 0
    try:
        while time.monotonic() < end:
            number += 1
            line = f"{sys.executable} job.py {acks}/j{number}"
            job = command(line, code=tmp_path / "code", retries=number % 2)
            if number % 4 == 0:
                job = book_job(tmp_path / f"b{number}", "print('one')", "import time; time.sleep(1)")
            try:
                chaos.runs.append(workspace.submit(job, experiment="chaos"))
                if number % 5 == 0:
                    chaos.runs[-1].cancel()
            except AmlError:  # the service was killed twice under one call
                refused += 1
            time.sleep(choice.uniform(0.2, 1.5))
    finally:
        stop.set()
        rager.join()
    for child in chaos.children:
        child.wait(60)
    ended(*chaos.runs, seconds=100)
    until(lambda: all(run.is_final for run in workspace.runs.search(limit=1000)), 30)
    told = _told(acks)
    runs = {run.id: run for run in workspace.runs.search(limit=1000)}
    retried = {run.id for run in runs.values() if run.get_details()["attempt"] > 1}
    kept = [item for item in told if item["run"] not in retried]
    print(
        f"seed {SEED}: {chaos.kills} kills, {len(runs)} runs, {refused} calls refused, {len(told)} items told"
    )
    assert sum(chaos.kills.values()) >= 10 and len(kept) >= 10
    assert [lost for item in kept if (lost := _missing(workspace, item))] == []
    for run in chaos.runs:
        until(lambda run=run: gone(run), 5)
        assert run.status in ("Completed", "Failed", "Canceled")
        assert run.status != "Failed" or (run.error or {})["reason"]
