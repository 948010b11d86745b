"""The contract of an engine (`jupyter_aml.compute.engines._base`) as tests, looked at from outside.

Derive a class whose name pytest collects, and say where its runs go::

    class TestMyEngine(EngineConformance):
        @pytest.fixture
        def target(self, workspace, my_cluster):
            return Target(workspace, my_cluster.name)

A job may run on any machine: the tests see of it what its run tells, in its log, metrics, files and end, and
share no folder with it. Only what a job may leave behind is looked for among processes, where `Target.left`
looks.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from jupyter_aml.client import launch
from jupyter_aml.jobs.model import command
from jupyter_aml.jobs.processes import marked
from jupyter_aml.jobs.spawn import RUNNER
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace

T = TypeVar("T")
COUNT = """
import sys, time
from pathlib import Path
from jupyter_aml import Run

run, most = Run.get_context(), int(sys.argv[1])
print("begun", Path("told.txt").read_text(), flush=True)
try:
    for step in range(most):
        run.log("x", step, step)
        print("step", step, flush=True)
        time.sleep(0.05)
except KeyboardInterrupt:
    print("saved", flush=True)
    Path("outputs/saved.txt").write_text("what was done until then")
    sys.exit(1)
"""
ODD = """
import hashlib, os, sys
files = {"plain.txt": b"plain", "empty": b"",
         "a b/s\\u00fc\\u00df \\u6f22\\u5b57.bin": bytes(range(256)) * 12_000,
         "-n": b"dash", "$(id)'\\".txt": b"quotes", "x" * 200: b"long", "deep/" * 30 + "file": b"deep"}
for name, data in files.items():
    path = os.path.join("outputs", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    print(hashlib.sha256(data).hexdigest(), "outputs/" + name)
sys.stdout.flush()
os.write(1, "\\u6f22\\u5b57 \\U0001f642 e\\u0301\\n".encode() + b"\\xff\\xfe no text\\n")
"""
LINES = 100_000
MANY = f"for number in range({LINES}): print('line', number)"
# The child is in a session of its own, without its parent, and says who it is.
STRAY = "(setsid sh -c 'echo stray $$; exec sleep 600' &); sleep 0.2; "
# What the job says has reached its journal, so the attempt has begun; its parent is the runner.
KILL_RUNNER = (
    "python -c \"from jupyter_aml import Run; Run.get_context().log('x', 1)\"; kill -9 $PPID; sleep 60"
)


@dataclass
class Target:
    """Where the runs go: ``compute`` of ``workspace``.

    ``program`` carries attempts there: the runner, or the engine's courier. ``left`` lists the processes of a
    run, by its id, on the machine it ran on; those of this machine unless told otherwise.
    """

    workspace: Workspace
    compute: str
    program: str = RUNNER
    left: Callable[[str], Iterator[int]] = marked

    def submit(self, text: str, **options: Any) -> Run:
        """Send a command there."""
        return self.workspace.submit(command(text, **options), compute=self.compute)


def until(condition: Callable[[], T | None], seconds: float = 60.0) -> T:
    """Wait for ``condition``; what it has come to. The test fails when it does not come true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


def ended(run: Run, seconds: float = 60.0) -> Run:
    """The run, when it has ended."""
    until(lambda: run.is_final, seconds)
    return run


def reason(run: Run) -> str | None:
    """Why it failed."""
    return None if run.error is None else str(run.error["reason"])


def holder(lock: Path) -> int | None:
    """The process that holds a lock."""
    with contextlib.suppress(FileNotFoundError):
        inode = str(lock.stat().st_ino)
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
                return int(fields[4])
    return None


def program_of(run: Run) -> int | None:
    """The process that carries the run's attempt; the service takes the lock to look at it, and is none."""
    found = holder(run._folder().lock)
    return None if found == holder(run._client.location.folder.lock) else found


class EngineConformance:
    """What every engine promises."""

    @pytest.fixture
    def target(self) -> Target:
        """Where the runs go; for the derived class to say."""
        raise NotImplementedError("Define the fixture `target` in the derived class.")

    @pytest.fixture
    def counting(self, tmp_path: Path) -> Path:
        """A folder with a program that counts, logs and prints, and saves when it is interrupted."""
        folder = tmp_path / "counting"
        folder.mkdir()
        (folder / "count.py").write_text(COUNT)
        (folder / "told.txt").write_text("as submitted")
        return folder

    def test_how_a_command_ends_is_told(self, target: Target) -> None:
        good, bad, killed = map(target.submit, ("true", "echo the cause; exit 3", "kill -9 $$"))
        assert ended(good).status == "Completed" and good.error is None
        for run, words in ((bad, "exit code 3"), (killed, "SIGKILL")):
            assert ended(run).status == "Failed" and run.error is not None
            assert reason(run) == "user_error" and words in run.error["message"]
        assert bad.error is not None and bad.error["log_tail"] == ["the cause"]
        assert {run.compute for run in (good, bad, killed)} == {target.compute}

    def test_it_is_seen_while_it_runs_and_saves_when_it_is_canceled(
        self, target: Target, counting: Path
    ) -> None:
        run = target.submit(STRAY + "exec python count.py 100000", code=counting)
        (counting / "told.txt").write_text("changed since")
        until(lambda: "step 5\n" in run.logs() or run.is_final)
        until(lambda: len(run.metric_history("x")["values"]) > 5 or run.is_final)
        assert run.status == "Running", run.logs()
        assert "begun as submitted\n" in run.logs() and "stray " in run.logs()
        run.cancel()
        assert ended(run, 30).status == "Canceled" and reason(run) == "canceled"
        assert run.logs().endswith("saved\n")
        assert run.read_file("outputs/saved.txt") == b"what was done until then"
        until(lambda: not list(target.left(run.id)), 10)

    def test_its_time_out_ends_it(self, target: Target) -> None:
        run = target.submit(STRAY + "sleep 600", timeout=1)
        assert ended(run, 40).status == "Failed" and reason(run) == "timeout"
        assert run.error is not None and "time-out of 1 s" in run.error["message"]
        until(lambda: not list(target.left(run.id)), 10)

    def test_nothing_outlives_a_job_that_ended_well(self, target: Target) -> None:
        run = target.submit(STRAY + "echo done")
        assert ended(run).status == "Completed" and run.logs().endswith("done\n")
        until(lambda: not list(target.left(run.id)), 10)

    def test_odd_names_and_bytes_come_as_they_are(self, target: Target, tmp_path: Path) -> None:
        folder = tmp_path / "code"
        folder.mkdir()
        (folder / "odd.py").write_text(ODD)
        run = ended(target.submit("python odd.py", code=folder))
        assert run.status == "Completed", run.error
        *listed, text, broken = run.logs().splitlines()
        assert (text, broken) == ("漢字 🙂 e\u0301", "\ufffd\ufffd no text")
        for digest, _, name in (line.partition(" ") for line in listed):
            assert hashlib.sha256(run.read_file(name)).hexdigest() == digest, name
        outputs = {name for name in run.get_file_names() if name.startswith("outputs/")}
        assert outputs == {line.partition(" ")[2] for line in listed}

    def test_a_large_log_comes_whole_and_in_order(self, target: Target) -> None:
        run = ended(target.submit(f'python -c "{MANY}"'))
        assert run.logs() == "".join(f"line {number}\n" for number in range(LINES))

    def test_a_failure_is_tried_again_under_the_next_number(self, target: Target) -> None:
        run = target.submit("echo attempt $AML_ATTEMPT; test $AML_ATTEMPT = 2", retries=1)
        assert ended(run).status == "Completed", run.error
        assert run.get_details()["attempt"] == 2
        assert run.logs() == "attempt 2\n"
        assert run.logs("user_logs/std_log.attempt1.txt") == "attempt 1\n"

    def test_a_killed_runner_is_told_of_and_its_job_not_run_twice(self, target: Target) -> None:
        run = target.submit(f"echo kept > outputs/kept; {STRAY} echo begun; {KILL_RUNNER}")
        assert ended(run).status == "Failed" and reason(run) == "runner_lost"
        assert run.get_details()["attempt"] == 1 and run.logs().count("begun\n") == 1
        assert run.read_file("outputs/kept") == b"kept\n"
        until(lambda: not list(target.left(run.id)), 10)

    def test_a_lost_attempt_is_tried_again_when_asked_to(self, target: Target) -> None:
        run = target.submit(f"if [ $AML_ATTEMPT = 1 ]; then {KILL_RUNNER}; fi; echo well", retries=1)
        assert ended(run).status == "Completed", run.error
        assert run.get_details()["attempt"] == 2 and run.logs() == "well\n"

    def test_a_second_start_and_the_death_of_the_service_change_nothing(
        self, target: Target, counting: Path
    ) -> None:
        run = target.submit("exec python count.py 50", code=counting)
        until(lambda: "step 3\n" in run.logs() or run.is_final)
        assert run.status == "Running", run.logs()
        again = [self._start(target, run, attempt) for attempt in (1, 7)]
        address = launch.read_address(run._client.location.folder)
        assert address is not None
        os.kill(address.pid, signal.SIGKILL)
        assert [process.wait(60) for process in again] == [0, 0]
        self._check_count(ended(run), 50)

    def test_a_killed_program_loses_the_run_or_nothing(self, target: Target, counting: Path) -> None:
        run = target.submit("exec python count.py 60", code=counting)
        until(lambda: "step 3\n" in run.logs() or run.is_final)
        os.kill(until(lambda: program_of(run)), signal.SIGKILL)
        ended(run)
        if target.program == RUNNER:
            assert run.status == "Failed" and reason(run) == "runner_lost"
            assert run.logs().count("begun") == 1 and run.get_details()["attempt"] == 1
        else:
            self._check_count(run, 60)
        until(lambda: not list(target.left(run.id)), 10)

    def _start(self, target: Target, run: Run, attempt: int) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-P", "-m", target.program, str(run._folder().root), str(attempt)]
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _check_count(self, run: Run, most: int) -> None:
        """The run was undisturbed: it ran once, and everything it said is here once."""
        assert run.status == "Completed", run.error
        steps = "".join(f"step {step}\n" for step in range(most))
        assert run.logs() == f"begun as submitted\n{steps}"
        assert run.metric_history("x")["values"] == [float(step) for step in range(most)]
        assert run.get_details()["attempt"] == 1
