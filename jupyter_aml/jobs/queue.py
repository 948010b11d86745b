"""The loop that turns recorded wishes into running jobs, and facts into recorded ends.

`step` may be called at any time, twice, from any start: it looks at every unfinished run, compares what
the database wishes with what the kernel's locks say, and acts on the difference. A run whose lock is held is
alive. A lock that can be taken means that nobody runs it: then its result file decides how it ended, and
where there is none the run was lost (or never begun, and is queued again under a new attempt number).
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jupyter_aml.compute.loop import ComputeLoop
from jupyter_aml.compute.model import LOCAL
from jupyter_aml.core.durable import write_durably
from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.faults import Faults
from jupyter_aml.core.journal import LifeLock
from jupyter_aml.core.operation import Store
from jupyter_aml.core.paths import RunFolder, make_private
from jupyter_aml.data.assign import assigned_inputs
from jupyter_aml.environments.assign import assigned_environment
from jupyter_aml.errors import AmlError
from jupyter_aml.jobs.lost import MESSAGE as LOST
from jupyter_aml.jobs.lost import keep_what_is_left
from jupyter_aml.jobs.processes import end_all
from jupyter_aml.jobs.spawn import RUNNER
from jupyter_aml.jobs.tokens import issue_token
from jupyter_aml.jobs.watch import PREEMPT_FILE
from jupyter_aml.jobs.work import Assignment, read_result
from jupyter_aml.tracking import states
from jupyter_aml.tracking.finish import finalize_run
from jupyter_aml.tracking.ingest import ingest_run
from jupyter_aml.tracking.model import Status
from jupyter_aml.tracking.operations import publish
from jupyter_aml.tracking.reading import load_run, unfinished
from jupyter_aml.tracking.tables import experiments, runs, snapshot_files, transitions

_UNSTARTED_SECONDS = 8.0  # a runner that was started has its lock long before
_COURIER_SECONDS = 2.0
_STARTS = 3  # how often a runner may die before it begins
_UNLOCKED_SECONDS = 1.0  # for an interactive run, between being made and being locked
log = logging.getLogger("jupyter_aml.service")


class _NoPlaceError(Exception):
    """The place a run was to have is taken; undoes the transaction."""


Spawn = Callable[[RunFolder, int, str], None]


class Queue:
    """The unfinished runs of a workspace.

    Args:
        spawn: starts a program (the runner, or what takes its place) for an attempt and returns at once.
        slots: how many jobs run at the same time.
        environment: what a job sees of this process's environment.
        doorbell: the socket a runner rings when something changed.
        computes: finds a place for runs that are not for this machine itself.
        tracking: what MLflow's client is to find in the environment of a run's job.
    """

    def __init__(
        self,
        store: Store,
        spawn: Spawn,
        slots: int,
        environment: dict[str, str],
        doorbell: str,
        computes: ComputeLoop,
        tracking: Callable[[sa.Row[Any]], dict[str, str]],
    ) -> None:
        self._store = store
        self._spawn = spawn
        self._slots = slots
        self._environment = environment
        self._doorbell = doorbell
        self._computes = computes
        self._tracking = tracking
        self._free_since: dict[str, float] = {}
        self._told: dict[str, tuple[Any, ...]] = {}

    def step(self) -> int:
        """Bring everything one step further; how many runs are unfinished."""
        with self._store.database.read() as connection:
            rows = unfinished(connection)
        running, faults = 0, Faults()
        for row in rows:
            if row.status == Status.QUEUED:
                continue
            with faults.kept():
                self._look_after(row)
            if row.spec is not None and row.compute == LOCAL:
                running += 1
        blocked: set[str] = set()  # within a compute, nobody overtakes who waits
        for row in rows:
            if row.status != Status.QUEUED or row.compute in blocked:
                continue
            blocked.add(row.compute)  # by a fault in the following, too
            with faults.kept():
                if running >= self._slots if row.compute == LOCAL else not self._computes.can_take(row):
                    continue
                started = self._start(row)
                running += started if row.compute == LOCAL else 0
                blocked.discard(row.compute)
        self._forget({row.id for row in rows})
        faults.raise_first()
        return len(rows)

    def _forget(self, present: set[str]) -> None:
        self._free_since = {run: since for run, since in self._free_since.items() if run in present}
        self._told = {run: told for run, told in self._told.items() if run in present}

    def _look_after(self, row: sa.Row[Any]) -> None:
        ingest_run(self._store, row.id)
        folder = self._store.folder.run_folder(row.id)
        if row.status == Status.CANCEL_REQUESTED and folder.root.is_dir():
            (folder.root / "cancel").touch()
        elif row.compute != LOCAL and folder.root.is_dir() and self._computes.is_displaced(row):
            (folder.root / PREEMPT_FILE).touch()
        lock = LifeLock(folder.lock)
        if folder.root.is_dir() and not lock.take():
            self._free_since.pop(row.id, None)
        else:
            try:
                self._nobody_runs(row, folder)
            finally:
                lock.release()
        self._tell(row.id)

    def _nobody_runs(self, row: sa.Row[Any], folder: RunFolder) -> None:
        """Called with the run's lock held by us, so nobody can begin it underneath."""
        since = self._free_since.setdefault(row.id, time.monotonic())
        free_for = time.monotonic() - since
        if row.spec is None:
            if free_for >= _UNLOCKED_SECONDS:
                self._interactive_lost(row)
            return
        result = read_result(folder.attempt_folder(row.attempt))
        if result is not None:
            self._ended(row, result)
        elif courier := self._courier_for(row, folder):
            # Whether another machine still runs it is not ours to say: what looks after it is started again.
            if free_for >= _COURIER_SECONDS:
                self._spawn(folder, row.attempt, courier)
                self._free_since.pop(row.id)
        elif not _was_begun(folder, row.attempt):
            if row.status == Status.CANCEL_REQUESTED:
                self._ended(row, {"status": "Canceled", "error": _error("Canceled", "canceled", "canceled")})
            elif free_for >= _UNSTARTED_SECONDS:
                end_all(row.id)  # it may have begun without saying so; there are never two at a time
                if row.attempt > int(row.spec.get("retries", 0)) + _STARTS:
                    message = f"its runner ended {_STARTS} times before it could begin; see its system_logs"
                    self._ended(
                        row, {"status": "Failed", "error": _error("NotStarted", message, "start_failed")}
                    )
                else:
                    self._again(row, "the runner never began")
        else:
            end_all(row.id)
            _remove_sockets(row.id)
            keep_what_is_left(folder, row.attempt, row.spec, log.warning)
            if row.status == Status.CANCEL_REQUESTED:
                self._ended(row, {"status": "Canceled", "error": _error("Canceled", "canceled", "canceled")})
            else:
                self._ended(row, {"status": "Failed", "error": _error("RunnerLost", LOST, "runner_lost")})

    def _courier_for(self, row: sa.Row[Any], folder: RunFolder) -> str | None:
        """What is to look after an attempt that is another machine's, once everything is laid out for it."""
        if not (folder.attempt_folder(row.attempt) / "spec.json").exists():
            return None
        return self._computes.courier_of(row) if _is_attempt(folder, row.attempt) else None

    def _ended(self, row: sa.Row[Any], result: dict[str, Any]) -> None:
        status = Status(result["status"])
        if (result.get("error") or {}).get("reason") == "preempted" and row.status != Status.CANCEL_REQUESTED:
            self._again(row, "preempted")
            return
        retries = int(row.spec.get("retries", 0)) + self._preemptions(row)
        if status is Status.FAILED and row.attempt <= retries and row.status != Status.CANCEL_REQUESTED:
            self._again(row, (result.get("error") or {}).get("message", "failed"))
            return
        finalize_run(
            self._store,
            row,
            status,
            result.get("error"),
            at=result.get("ended_at"),
            reason=(result.get("error") or {}).get("reason"),
        )

    def _preemptions(self, row: sa.Row[Any]) -> int:
        """How many attempts of a run ended for others: they count for no retry."""
        t = transitions.c
        with self._store.database.read() as connection:
            return connection.execute(
                sa.select(sa.func.count()).where(t.run == row.number, t.reason == "preempted")
            ).scalar_one()

    def _again(self, row: sa.Row[Any], reason: str) -> None:
        """Back to the queue under a new attempt number; the old attempt's words count no more."""
        ingest_run(self._store, row.id)
        folder = self._store.folder.run_folder(row.id)
        make_private(folder.root)  # claimed, and the service was killed before it made the folder
        write_durably(folder.attempt, b"none")  # a runner that comes late, after us, finds itself fenced off
        failpoint("run.fenced")
        _keep_log(folder, row.attempt)
        self._store.database.write(
            lambda connection: states.move(
                connection, row.number, row.attempt, Status.QUEUED, reason=reason, new_attempt=False
            )
        )
        self._free_since.pop(row.id, None)
        self._store.signals.wake()

    def _interactive_lost(self, row: sa.Row[Any]) -> None:
        if row.status == Status.CANCEL_REQUESTED:
            finalize_run(self._store, row, Status.CANCELED, _error("Canceled", "canceled", "canceled"))
            return
        message = "the process that logged to it ended without ending the run; what it logged is kept"
        finalize_run(self._store, row, Status.FAILED, _error("ProcessLost", message, "lost"), reason="lost")

    def _start(self, row: sa.Row[Any]) -> int:
        """Claim a queued run and start its runner; 1 if it was started."""
        try:
            claimed = self._store.database.write(lambda connection: self._claim(connection, row))
        except _NoPlaceError:
            return 0
        if claimed is None:
            return 0
        failpoint("run.claimed")
        folder = self._store.folder.run_folder(row.id)
        try:
            make_private(folder.root)
            for name in ("cancel", PREEMPT_FILE):
                (folder.root / name).unlink(missing_ok=True)
            claimed.save(folder.attempt_folder(claimed.attempt))
            write_durably(folder.attempt, str(claimed.attempt).encode())
            failpoint("run.assigned")
            self._spawn(folder, claimed.attempt, self._computes.courier_of(row) or RUNNER)
            failpoint("run.spawned")
        except (OSError, AmlError) as error:
            self._not_started(row, claimed.attempt, error)
            return 0
        self._free_since[row.id] = time.monotonic()
        self._tell(row.id)
        return 1

    def _claim(self, connection: sa.Connection, row: sa.Row[Any]) -> Assignment | None:
        if not states.move(connection, row.number, row.attempt, Status.PREPARING, new_attempt=True):
            return None
        slices = self._computes.claim(connection, row)
        if slices is None:
            raise _NoPlaceError
        f = snapshot_files.c
        files = connection.execute(
            sa.select(f.path, f.digest, f.size, f.executable).where(f.snapshot == row.snapshot)
        )
        attempt = row.attempt + 1
        return Assignment(
            run_id=row.id,
            attempt=attempt,
            display_name=row.display_name,
            experiment=connection.execute(
                sa.select(experiments.c.name).where(experiments.c.number == row.experiment)
            ).scalar_one(),
            workspace=str(self._store.folder.root),
            job=row.spec,
            files=[dict(file._mapping) for file in files],
            token=issue_token(connection, row.number, attempt),
            environment=self._environment,
            doorbell=self._doorbell,
            slices=list(slices),
            compute=row.compute,
            tracking=self._tracking(row),
            inputs=assigned_inputs(connection, self._store, row.number),
            python_environment=assigned_environment(
                connection, self._store, row.number, row.spec.get("environment")
            ),
        )

    def _not_started(self, row: sa.Row[Any], attempt: int, error: Exception) -> None:
        """No process, no files: say so on the run, unless a full disk may pass."""
        with self._store.database.read() as connection:
            fresh = connection.execute(sa.select(runs).where(runs.c.number == row.number)).one()
        if fresh.attempt == attempt:
            failure = _error(
                type(error).__name__, f"the runner could not be started: {error}", "start_failed"
            )
            finalize_run(self._store, fresh, Status.FAILED, failure)

    def _tell(self, run_id: str) -> None:
        """Publish a run's state and progress if they changed."""
        with self._store.database.read() as connection:
            try:
                run = load_run(connection, run_id)
            except AmlError:
                return
        progress = run.progress
        now = (run.status, *((progress.done, progress.total, progress.index) if progress else ()))
        if self._told.get(run_id) != now:
            self._told[run_id] = now
            publish(self._store, run)


def _is_attempt(folder: RunFolder, attempt: int) -> bool:
    return folder.attempt.is_file() and folder.attempt.read_text() == str(attempt)


def _was_begun(folder: RunFolder, attempt: int) -> bool:
    return any(folder.journal.glob(f"{attempt}.*.journal")) if folder.journal.is_dir() else False


def _remove_sockets(run_id: str) -> None:
    """Remove the socket folder of a kernel whose runner was killed before it could (see `jobs.kernels`)."""
    for folder in Path(tempfile.gettempdir()).glob(f"aml-{run_id[-8:]}-*"):
        if folder.lstat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)


def _keep_log(folder: RunFolder, attempt: int) -> None:
    log = folder.logs / "user_logs" / "std_log.txt"
    if log.is_file():
        log.rename(log.with_name(f"std_log.attempt{attempt}.txt"))


def _error(kind: str, message: str, reason: str) -> dict[str, Any]:
    return {"class": kind, "message": message, "reason": reason}
