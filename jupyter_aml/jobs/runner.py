"""The runner: one process for one attempt of a run, which outlives the service and everybody else.

It holds the run's lock for its life, lays out the snapshot, starts the kernel or the command in a session of
its own, pumps its output into the log, stops it when asked or when its time is over, takes what it left,
writes the outcome to a result file and only then to the journal. It needs no service to do any of this.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.compute.engines.local.slice import Slice
from jupyter_aml.compute.sizes import show_memory
from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.journal import LifeLock
from jupyter_aml.core.paths import RunFolder, make_private
from jupyter_aml.errors import AmlError
from jupyter_aml.jobs.collect import LiveFiles, take_outputs
from jupyter_aml.jobs.logfile import LogFile, LogPump
from jupyter_aml.jobs.processes import become_subreaper, end_all
from jupyter_aml.jobs.watch import Watch
from jupyter_aml.jobs.work import Assignment, make_work_folder, write_result
from jupyter_aml.tracking.recorder import Recorder

if TYPE_CHECKING:
    from jupyter_aml.jobs.prepare import Prepared
    from jupyter_aml.jobs.watch import Stoppable

Outcome = tuple[str, dict[str, Any] | None]
_LIVE_NOTEBOOK_SECONDS = 5.0
_SPACE_SECONDS = 1.0


def main(arguments: list[str]) -> int:
    """Run one attempt: ``RUN_FOLDER ATTEMPT``. 0 when it was run, or is somebody else's by now."""
    folder, attempt = RunFolder(Path(arguments[0])), int(arguments[1])
    os.umask(0o077)
    _own_log(folder)
    lock = LifeLock(folder.lock)
    if not lock.take(wait=5.0) or not _is_to_run(folder, attempt):
        return 0
    failpoint("runner.locked")
    runner = Runner(folder, attempt)
    try:
        runner.run()
    finally:
        lock.release()
        runner.doorbell.ring()  # the lock is free: the service can take the run in
    return 0


def _is_to_run(folder: RunFolder, attempt: int) -> bool:
    """Whether this is the present attempt, and no runner has come before: none is run twice."""
    own = folder.attempt_folder(attempt)
    begun = (own / "work").exists() or (own / "result.json").exists()
    return folder.attempt.read_text() == str(attempt) and not begun


def _own_log(folder: RunFolder) -> None:
    """What the runner itself prints goes to ``system_logs/runner.txt``."""
    path = make_private(folder.logs / "system_logs") / "runner.txt"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


class Runner:
    """One attempt of a run."""

    def __init__(self, folder: RunFolder, attempt: int) -> None:
        self._folder = folder
        self._own = folder.attempt_folder(attempt)
        self._work = self._own / "work"
        self._assignment = Assignment.load(self._own)
        self._places = self._assignment.places()
        self._memory_kills = [place.memory_kills() for place in self._places]
        self._prepared: Prepared | None = None
        self._preparing_seconds = 0.0
        self._log_folder = folder.logs / "user_logs"
        self._log = LogFile(self._log_folder / "std_log.txt")
        self.doorbell = Doorbell(self._assignment.doorbell)

    def run(self) -> None:
        """Do everything, whatever happens; never raises for what the job does."""
        become_subreaper()
        self._recorder: Recorder | None = None
        try:
            status, error = self._execute()
        except AmlError as problem:
            status, error = (
                "Failed",
                {"class": type(problem).__name__, "message": str(problem), "reason": "start_failed"},
            )
        except Exception as problem:  # noqa: BLE001 - a fault of the runner is the run's outcome, never silence
            import traceback

            traceback.print_exc()
            status, error = (
                "Failed",
                {"class": type(problem).__name__, "message": str(problem), "reason": "runner_failed"},
            )
        self._end(status, error)

    def _execute(self) -> Outcome:
        job = self._assignment.job
        if self._assignment.python_environment is not None and (failed := self._prepare()) is not None:
            return failed
        if job["type"] == "command":
            return self._run_command(job)
        return self._run_notebook(job)

    def _prepare(self) -> Outcome | None:
        """Have the environment the job asks for; how the attempt ends without it."""
        from jupyter_aml.jobs.prepare import BuildStopped, Preparation

        preparation = Preparation(self._assignment, self._folder, self._complain)
        try:
            self._prepared = preparation.run()
        except BuildStopped as stopped:
            return self._stopped(stopped.reason, None)
        except AmlError as problem:
            return "Failed", _environment_error(problem, preparation.last_lines())
        self._preparing_seconds = preparation.seconds
        return None

    def _environment(self) -> dict[str, str]:
        """The environment of the job's processes."""
        prepared = None if self._prepared is None else self._prepared.environment
        return self._assignment.job_environment(prepared)

    def _begin(self) -> Recorder:
        """Open the journal. Not earlier than the first fork, so that no job's process holds it."""
        failpoint("runner.launched")
        recorder = self._recorder = Recorder(self._folder, self._assignment.attempt)
        failpoint("runner.begun")
        if self._prepared is not None:
            self._prepared.keep_lock(recorder)
        self._say("Starting")
        return recorder

    def _say(self, status: str) -> None:
        if self._recorder is not None:
            recorder, record = self._recorder, {"op": "state", "status": status, "time": _now()}
            _when_there_is_space(lambda: recorder.write(record, sync=True))
            self.doorbell.ring()

    def _run_command(self, job: dict[str, Any]) -> Outcome:
        from jupyter_aml.jobs.inputs import lay_inputs
        from jupyter_aml.jobs.ranks import RankLogs, Ranks, ranks_of
        from jupyter_aml.jobs.shell import fill_inputs

        make_work_folder(self._assignment, self._work)
        data = lay_inputs(self._assignment, self._own / "inputs", self._complain)
        line = fill_inputs(job["command"], {**job["inputs"], **data})
        places = self._places
        logs = RankLogs(self._log, self._log_folder, ranks_of(job, max(1, len(places))))
        processes = Ranks(line, job, self._work, self._environment(), places, logs.outputs)
        recorder = self._begin()
        logs.start()
        live = LiveFiles(self._work, recorder, self._complain)
        watch = self._watch(processes, job, live.take_logs)
        self._say("Running")
        failpoint("runner.running")
        code = processes.wait()
        watch.finish()
        self._end_processes()
        logs.finish()
        live.take_logs()
        rank = processes.failed_rank if len(logs.outputs) > 1 else None
        return self._judge(watch, None if code == 0 else _exit_error(code, rank))

    def _run_notebook(self, job: dict[str, Any]) -> Outcome:
        from jupyter_aml.jobs.kernels import launch_kernel
        from jupyter_aml.jobs.notebook.document import read_notebook
        from jupyter_aml.jobs.notebook.kernel_names import kernel_of

        make_work_folder(self._assignment, self._work)
        path = self._work / job["notebook"]
        read, write = os.pipe()
        document = read_notebook(path.read_bytes())
        kernel = launch_kernel(
            kernel_of(document),
            cwd=self._work,
            environment=self._environment(),
            stdout=write,
            stderr=write,
            label=self._assignment.run_id[-8:],
            place=self._places[0] if self._places else None,
            python=None if self._prepared is None else self._prepared.kernel,
        )
        os.close(write)
        recorder = self._begin()
        pump = LogPump(read, self._log)
        pump.start()
        from jupyter_aml.jobs.notebook.execute import execute_notebook

        output = self._own / "executed.ipynb"
        name = f"notebook/{path.name}"
        live = LiveFiles(self._work, recorder, self._complain)
        last = [time.monotonic()]

        def take_files() -> None:
            live.take_logs()
            if time.monotonic() - last[0] > _LIVE_NOTEBOOK_SECONDS:
                live.take(name, output)
                last[0] = time.monotonic()

        watch = self._watch(kernel, job, take_files)
        self._say("Running")
        failpoint("runner.running")
        outcome = execute_notebook(
            document,
            job["parameters"],
            cwd=self._work,
            output=output,
            kernel=kernel,
            events=Events(recorder, self._log, self.doorbell),
            cell_timeout=job["cell_timeout"],
        )
        watch.finish()
        self._end_processes()
        pump.join(5.0)
        live.take_logs()
        live.take(name, output)
        return self._judge(watch, outcome.error)

    def _watch(self, job: Stoppable, spec: dict[str, Any], take_files: Any) -> Watch:
        timeout = spec["timeout"] and max(0.0, spec["timeout"] - self._preparing_seconds)
        watch = Watch(job, self._folder.root / "cancel", timeout, take_files)
        watch.start()
        return watch

    def _judge(self, watch: Watch, error: dict[str, Any] | None) -> Outcome:
        self._say("Finalizing")
        failpoint("runner.ended")
        if self._recorder is not None:
            take_outputs(self._work, self._recorder, self._complain)
            failpoint("runner.collected")
        if watch.reason is not None:
            return self._stopped(watch.reason, error)
        for place, before in zip(self._places, self._memory_kills, strict=True):
            if place.memory_kills() > before:
                return "Failed", {**(error or {}), **_memory_error(place)}
        return ("Completed", None) if error is None else ("Failed", {**error, **self._limit_met(error)})

    def _limit_met(self, error: dict[str, Any]) -> dict[str, Any]:
        """What to say of a process that was refused more memory than its compute has, and ended by itself."""
        place = next((place for place in self._places if place.folder), None)
        said = [str(error["class"]), *self._log.last_lines()]
        if place is None or not any("MemoryError" in line or "bad_alloc" in line for line in said):
            return {}
        limit = show_memory(place.memory)
        message = f"{error['message']} (of its compute's memory the limit is {limit} for each process)"
        return {"message": message, "reason": "oom"}

    def _stopped(self, reason: str, error: dict[str, Any] | None) -> Outcome:
        """The outcome of a run that was ended for ``reason``: ``canceled``, ``preempted`` or ``timeout``."""
        if reason == "canceled":
            return "Canceled", {
                **(error or {}),
                "class": "Canceled",
                "message": "canceled",
                "reason": "canceled",
            }
        if reason == "preempted":
            message = "its low-priority node was needed for others"
            return "Failed", {"class": "Preempted", "message": message, "reason": "preempted"}
        seconds = self._assignment.job["timeout"]
        message = f"stopped after its time-out of {seconds:g} s"
        return "Failed", {**(error or {}), "class": "TimeoutError", "message": message, "reason": "timeout"}

    def _end(self, status: str, error: dict[str, Any] | None) -> None:
        self._end_processes()
        self._log.close()
        if error is not None:
            error = {"log_tail": self._log.last_lines(), **error}
        ended_at = _now()
        _when_there_is_space(lambda: write_result(self._own, status, error, ended_at))
        failpoint("result.written")
        if self._recorder is not None:
            with contextlib.suppress(OSError):  # the result file says the same
                self._recorder.write(
                    {"op": "end", "status": status, "error": error, "time": ended_at}, sync=True
                )
            self._recorder.close()
            failpoint("runner.end")

    def _end_processes(self) -> None:
        if not end_all(self._assignment.run_id, below=os.getpid()):
            self._complain("some processes of the run could not be ended")

    def _complain(self, message: str) -> None:
        sys.stderr.write(f"{message}\n")
        self._log.write(f"[aml] {message}\n".encode())


class Events:
    """Tells the journal and the log what a notebook does."""

    def __init__(self, recorder: Recorder, log: LogFile, doorbell: Doorbell) -> None:
        self._recorder = recorder
        self._log = log
        self._doorbell = doorbell

    def plan(self, cells: list[dict[str, Any]]) -> None:
        """The cells the notebook has."""
        self._write({"op": "cells", "cells": cells})

    def cell(self, index: int, state: str) -> None:
        """A cell began or ended."""
        self._write({"op": "cell", "index": index, "state": state, "time": _now()})

    def _write(self, record: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # a full disk: the notebook goes on untold
            self._recorder.write(record)
        self._doorbell.ring()

    def output(self, text: str) -> None:
        """A cell printed."""
        self._log.write(text.encode("utf-8", "replace"))


class Doorbell:
    """Wakes the service, if there is one, so that it need not look often."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def ring(self) -> None:
        """Wake it; whether anybody hears it does not matter."""
        if not self._path:
            return
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        with contextlib.suppress(OSError):
            self._socket.sendto(b"!", self._path)


def _when_there_is_space(action: Callable[[], object]) -> None:
    """Do what writes to the disk, waiting for space on it where it is full."""
    while True:
        try:
            action()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            time.sleep(_SPACE_SECONDS)
        else:
            return


def _environment_error(problem: AmlError, log_tail: list[str]) -> dict[str, Any]:
    kind = type(problem).__name__
    return {"class": kind, "message": str(problem), "reason": "env_build", "log_tail": log_tail}


def _exit_error(code: int, rank: int | None) -> dict[str, Any]:
    what = "the command" if rank is None else f"rank {rank} of the command"
    if code < 0:
        import signal

        name = signal.Signals(-code).name
        return {
            "class": "CommandKilled",
            "message": f"{what} was ended by {name}",
            "reason": "user_error",
        }
    return {
        "class": "CommandFailed",
        "message": f"{what} ended with exit code {code}",
        "reason": "user_error",
    }


def _memory_error(place: Slice) -> dict[str, Any]:
    limit, peak = show_memory(place.memory), show_memory(place.peak_memory())
    return {
        "class": "MemoryError",
        "message": f"the memory of its compute was used up: the limit is {limit}, the peak was {peak}",
        "reason": "oom",
    }


def _now() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
